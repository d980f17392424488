# Run by cmake --install and cpack, with CMAKE_INSTALL_PREFIX as it is then; `files` and `made` are
# set before.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(SYSCONFDIR /etc)
  set(zsh share/zsh/vendor-completions) # Debian's place for packages
else()
  set(SYSCONFDIR ${CMAKE_INSTALL_PREFIX}/etc)
  set(zsh share/zsh/site-functions)
endif()
set(BINDIR ${CMAKE_INSTALL_PREFIX}/bin)

foreach(unit chameleon-coordinator.service chameleon-worker.service)
  configure_file(${files}/${unit}.in ${made}/${unit} @ONLY)
  file(INSTALL ${made}/${unit} DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
endforeach()
foreach(name chameleon-coordinator chameleon-worker)
  file(INSTALL ${files}/${name}.default DESTINATION ${SYSCONFDIR}/default RENAME ${name})
endforeach()
file(INSTALL ${files}/../../coordinator/config/config-example.yml
     DESTINATION ${SYSCONFDIR}/chameleon)
file(INSTALL ${made}/chamctl.zsh DESTINATION ${CMAKE_INSTALL_PREFIX}/${zsh} RENAME _chamctl)
