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

// In its lifetime libgomp counts the calling thread, and so sees more threads than processors,
// where they are: its teams sleep instead of spinning. The two threads of a team that share a core,
// because a busy thread has the other, would spin for a whole time slice at the end of each region.
class CountedByOpenMp {
 public:
  CountedByOpenMp();
  ~CountedByOpenMp();
  CountedByOpenMp(const CountedByOpenMp&) = delete;
  CountedByOpenMp& operator=(const CountedByOpenMp&) = delete;

  // Whether it is the calling thread that has work, for long.
  void set_busy(bool busy);

 private:
  bool busy_ = false;
};

// Whether one busy thread takes a good part of the processors.
bool processors_are_few();
// Whether such a thread is counted as busy: a parallel region waits for the one of its threads that
// has no processor of its own.
bool processors_are_shared();

}  // namespace trireme::record
