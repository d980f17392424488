# Language level, warnings, sanitizers and what makes a build on two cores bearable.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers)
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/gen)

set(CHAMELEON_SANITIZE "" CACHE STRING "address,undefined or thread")
if(CHAMELEON_SANITIZE)
  add_compile_options(-fsanitize=${CHAMELEON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CHAMELEON_SANITIZE})
endif()

# Fuzzers (tests/fuzz) need the rooms that they feed to report what they reach.
option(CHAMELEON_FUZZ "build the fuzzers (clang)" OFF)
if(CHAMELEON_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "CHAMELEON_FUZZ needs clang: set CMAKE_CXX_COMPILER=clang++")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # time_macros and pch_defines: a precompiled header must not defeat the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -Wrestrict: g++ 12 reports string assignments that are fine (its bug 105651).
  add_compile_options(-fpch-preprocess -Wno-restrict)
endif()
