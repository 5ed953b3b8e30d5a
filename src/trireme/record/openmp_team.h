// SPDX-License-Identifier: Apache-2.0
// The calling thread's own team of OpenMP threads.
#pragma once

namespace trireme::record {

// Ends the calling thread's team, if it has one; its next parallel region makes a new one (about 50
// us). libgomp counts the threads of all teams: once they are more than the processors, none of
// them spins between parallel regions, and each region starts with futex wakes
// (docs/architecture.md, "Threads"). The executor's team is the one that has work: a thread of the
// program that hands over data or waits gives up its own. Does nothing inside a parallel region, or
// where both teams fit.
void release_openmp_team();

}  // namespace trireme::record
