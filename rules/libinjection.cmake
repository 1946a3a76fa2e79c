# libinjection 3.9.2 has no Debian package of its own, but libmodsecurity-dev carries its three objects in
# libmodsecurity.a. Only they are taken, into an archive of our own: nothing else of ModSecurity, and none
# of its dependencies, can get into the program. Two prototypes in rules/operators/injection.cc and the table of
# words (rules/operators/sqli_words.cc) are all that is used; tests/unit/rules_match checks version, table and verdicts.
find_library(WEIR_LIBMODSECURITY_ARCHIVE NAMES libmodsecurity.a)
if(NOT WEIR_LIBMODSECURITY_ARCHIVE)
  message(FATAL_ERROR "libmodsecurity.a not found: @detectSQLi and @detectXSS need libinjection's objects "
    "out of it. Install the package libmodsecurity-dev, or set WEIR_LIBMODSECURITY_ARCHIVE.")
endif()
set(weir_injection_members libinjection_sqli.o libinjection_xss.o libinjection_html5.o)
set(weir_injection_dir ${CMAKE_BINARY_DIR}/libinjection)
file(MAKE_DIRECTORY ${weir_injection_dir})
execute_process(COMMAND ${CMAKE_AR} x ${WEIR_LIBMODSECURITY_ARCHIVE} ${weir_injection_members}
  WORKING_DIRECTORY ${weir_injection_dir} RESULT_VARIABLE weir_injection_status
  ERROR_VARIABLE weir_injection_error)
set(weir_injection_objects)
foreach(member IN LISTS weir_injection_members)
  if(NOT weir_injection_status EQUAL 0 OR NOT EXISTS ${weir_injection_dir}/${member})
    message(FATAL_ERROR "${WEIR_LIBMODSECURITY_ARCHIVE} has no member ${member}: this libmodsecurity-dev "
      "is laid out differently from 3.0.9, which Weir knows. ${weir_injection_error}")
  endif()
  list(APPEND weir_injection_objects ${weir_injection_dir}/${member})
endforeach()
# Its table of words has no name outside of its object: it gets one. All other names are made ours, so that a program that
# loads libmodsecurity.so too (tests/bench/compare) has two libinjections that do not know each other.
execute_process(COMMAND ${CMAKE_NM} -S --defined-only ${weir_injection_members}
  WORKING_DIRECTORY ${weir_injection_dir} OUTPUT_VARIABLE weir_injection_symbols)
if(NOT weir_injection_symbols MATCHES "[0-9a-f]+ 0*([0-9a-f]+) [a-zA-Z] sql_keywords\n")
  message(FATAL_ERROR "libinjection_sqli.o in ${WEIR_LIBMODSECURITY_ARCHIVE} has no table sql_keywords: this "
    "libmodsecurity-dev is laid out differently from 3.0.9, which Weir knows.")
endif()
set(WEIR_LIBINJECTION_KEYWORDS_BYTES 0x${CMAKE_MATCH_1})
string(REGEX MATCHALL "libinjection_[a-z0-9_]+\n" weir_injection_names "${weir_injection_symbols}")
list(REMOVE_DUPLICATES weir_injection_names)
list(TRANSFORM weir_injection_names REPLACE "(.*)\n" "\\1 weir_\\1\n")
list(JOIN weir_injection_names "" weir_injection_names)
file(WRITE ${weir_injection_dir}/names "${weir_injection_names}sql_keywords weir_libinjection_keywords\n")
foreach(object IN LISTS weir_injection_objects)
  foreach(change --globalize-symbol=sql_keywords --redefine-syms=${weir_injection_dir}/names)
    execute_process(COMMAND ${CMAKE_OBJCOPY} ${change} ${object} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endforeach()
set_source_files_properties(${weir_injection_objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
add_library(weir_libinjection STATIC ${weir_injection_objects})
set_target_properties(weir_libinjection PROPERTIES LINKER_LANGUAGE CXX)
