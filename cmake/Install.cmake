# cmake --install: programs, manual pages, completion, systemd units, documents; and the .deb.
#
# Where things go depends on the prefix that is known only then (CPack's is /usr, the default
# /usr/local), so the files that name paths are made by cmake/package/install.cmake.
include(GNUInstallDirs)

# Manual pages and completion are printed by the programs themselves: the tables that make --help.
set(made ${PROJECT_BINARY_DIR}/share)
file(MAKE_DIRECTORY ${made})
set(made_files "")
# printed FILE PROGRAM ARGUMENT…: what the program prints becomes the file.
function(printed file program)
  add_custom_command(
    OUTPUT ${made}/${file}
    COMMAND $<TARGET_FILE:${program}> ${ARGN} > ${made}/${file}
    DEPENDS ${program} VERBATIM)
  set(made_files ${made_files} ${made}/${file} PARENT_SCOPE)
endfunction()
printed(chamctl.1 chamctl man-page)
printed(chameleon-coordinator.8 chameleon-coordinator --man-page)
printed(chameleon-worker.8 chameleon-worker --man-page)
printed(chamctl.bash chamctl completion bash)
printed(chamctl.zsh chamctl completion zsh)
printed(chamctl.fish chamctl completion fish)
find_program(GZIP_PROGRAM gzip REQUIRED)
foreach(page chamctl.1 chameleon-coordinator.8 chameleon-worker.8)
  add_custom_command(
    OUTPUT ${made}/${page}.gz
    COMMAND ${GZIP_PROGRAM} -9nkf ${made}/${page}
    DEPENDS ${made}/${page})
  list(APPEND made_files ${made}/${page}.gz)
endforeach()
add_custom_target(share ALL DEPENDS ${made_files})

install(TARGETS chamctl chameleon-coordinator chameleon-worker)
install(FILES ${made}/chamctl.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${made}/chameleon-coordinator.8.gz ${made}/chameleon-worker.8.gz
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${made}/chamctl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME chamctl)
install(FILES ${made}/chamctl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES README.md CHANGELOG.md docs/architecture.md docs/operations.md docs/performance.md
              docs/types-and-ddl.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/chameleon)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/chameleon RENAME copyright)
install(FILES coordinator/config/config-example.yml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/chameleon/examples)
install(CODE "set(files ${PROJECT_SOURCE_DIR}/cmake/package)\nset(made ${made})\n")
install(SCRIPT cmake/package/install.cmake)

# ---- .deb: cpack -G DEB, or the target "package" ----
set(package ${PROJECT_SOURCE_DIR}/cmake/package)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME chameleon)
set(CPACK_PACKAGE_CONTACT "chameleon maintainers <chameleon@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "keeps PostgreSQL equal to MySQL and MariaDB")
set(CPACK_PACKAGE_DESCRIPTION
    "Copies MySQL and MariaDB databases into PostgreSQL and follows their binary logs:\nto migrate without downtime, to run analytics, to gather many servers in one place.\nIt takes the configuration files and commands of pg_chameleon 2.")
# Absolute destinations (/etc) need DESTDIR.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${package}/postinst ${package}/prerm ${package}/postrm ${package}/conffiles)
include(CPack)
