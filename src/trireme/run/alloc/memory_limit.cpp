// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/memory_limit.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

namespace trireme::run {
namespace {

// A file that holds one number; "max", or no file, is no limit.
size_t read_limit(const std::string& path) {
  size_t bytes = 0;
  return std::ifstream(path) >> bytes ? bytes : SIZE_MAX;
}

size_t physical_memory(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string name;
  size_t kib = 0;
  while (file >> name >> kib) {
    if (name == "MemTotal:") return kib * 1024;
    file.ignore(256, '\n');
  }
  return SIZE_MAX;
}

// The limits of a group and of all groups above it.
size_t group_limit(const std::string& mount, std::string group, const std::string& file) {
  size_t least = SIZE_MAX;
  for (;;) {
    if (group == "/") group.clear();
    least = std::min(least, read_limit(mount + group + "/" + file));
    if (group.empty()) return least;
    const size_t slash = group.rfind('/');
    group.erase(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

size_t system_memory_limit(const std::string& root) {
  size_t least = physical_memory(root);
  std::ifstream groups(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  for (std::string line; std::getline(groups, line);) {
    // hierarchy:controllers:group
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    std::string controllers(1, ',');  // built by appending: g++ 12 warns falsely about "," + string
    controllers.append(line, first + 1, second - first - 1).append(1, ',');
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") least = std::min(least, group_limit(mount, group, "memory.max"));
    if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, group_limit(mount + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  // In a container the group's own files are often at the mount's root, whatever its name outside.
  return std::min(least, read_limit(mount + "/memory.max"));
}

}  // namespace trireme::run
