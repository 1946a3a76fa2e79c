// Counts what a program takes from the heap through operator new, to show that something takes nothing.
// Link `test_allocations`: a file of its own, so that the compiler does not see through the operators.
#pragma once

#include <cstddef>

namespace weir::test {

// Calls of operator new so far, of every form and thread.
std::size_t allocations();

}  // namespace weir::test
