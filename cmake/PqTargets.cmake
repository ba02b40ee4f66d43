# What every target of ours shares: warnings, the include root and the version. Generated code does not link it.
add_library(pq_flags INTERFACE)
target_include_directories(pq_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(pq_flags INTERFACE _GNU_SOURCE "PQ_VERSION=\"${PROJECT_VERSION}\"")
target_compile_options(pq_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch
	# __FILE__ in assertions then reads "policy/x.c" and builds in different folders are alike.
	"-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")
if(PQ_WERROR)
	target_compile_options(pq_flags INTERFACE -Werror)
endif()

# The names among ARGN that are targets: folders are filled in parallel and may still be empty.
function(pq_existing ret)
	set(found)
	foreach(name IN LISTS ARGN)
		if(TARGET ${name})
			list(APPEND found ${name})
		endif()
	endforeach()
	set(${ret} ${found} PARENT_SCOPE)
endfunction()

# pq_library(NAME source...): a static library of one folder.
function(pq_library name)
	add_library(${name} STATIC ${ARGN})
	target_link_libraries(${name} PRIVATE pq_flags)
endfunction()

# pq_executable(NAME source...): a program with all of our libraries that exist, in link order.
function(pq_executable name)
	add_executable(${name} ${ARGN})
	pq_existing(libraries pq_cli pq_server pq_proto pq_fetch pq_storage pq_policy)
	target_link_libraries(${name} PRIVATE pq_flags ${libraries} Threads::Threads)
endfunction()
