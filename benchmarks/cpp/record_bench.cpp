// SPDX-License-Identifier: Apache-2.0
// What a call costs the program's thread in processor time, recorded on the device against run by
// eager CPU, from C++ and with the executor at work beside it. Prints one JSON object: nanoseconds
// a call for each case, and `ratio`, the median over the cases of device / CPU. With an argument:
// that case only.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "trireme/base/pace.h"
#include "trireme/device/register.h"
#include "trireme/record/recorder.h"

namespace {

constexpr int kBurst = 2000;  // calls; below the queue's capacity, so that none waits for space
constexpr int kRounds = 60;

struct Case {
  std::string name;
  // Makes the tensors on a device and returns what issues one call.
  std::function<std::function<void()>(at::Device)> make;
};

std::vector<Case> cases() {
  const auto ones = [](at::Device device, at::IntArrayRef sizes) {
    return at::ones(sizes, at::kFloat).to(device);
  };
  return {
      {"add_",
       [=](at::Device device) {
         return [x = ones(device, {8, 8}), y = ones(device, {8, 8})]() mutable { x.add_(y); };
       }},
      {"mul by a number",
       [=](at::Device device) {
         return [x = ones(device, {8, 8})] { static_cast<void>(x.mul(0.5)); };
       }},
      {"add, gradient recorded",
       [=](at::Device device) {
         return [x = ones(device, {8, 8}).set_requires_grad(true), y = ones(device, {8, 8})] {
           static_cast<void>(x.add(y));
         };
       }},
      {"sum over a dimension",
       [=](at::Device device) {
         return [x = ones(device, {8, 8})] { static_cast<void>(x.sum({1}, true)); };
       }},
      {"softmax",
       [=](at::Device device) {
         return [x = ones(device, {8, 8})] { static_cast<void>(at::softmax(x, -1)); };
       }},
      {"addmm",
       [=](at::Device device) {
         return [x = ones(device, {8, 8}), w = ones(device, {8, 8}), b = ones(device, {8})] {
           static_cast<void>(at::addmm(b, x, w));
         };
       }},
      {"layer_norm",
       [=](at::Device device) {
         return [x = ones(device, {8, 8}), w = ones(device, {8}), b = ones(device, {8})] {
           static_cast<void>(at::layer_norm(x, {8}, w, b));
         };
       }},
      {"cat",
       [=](at::Device device) {
         return [x = ones(device, {8, 8}), y = ones(device, {8, 8})] {
           static_cast<void>(at::cat({x, y}, 1));
         };
       }},
  };
}

// Nanoseconds of this thread a call; waits for the work outside the measured time.
double burst(const std::function<void()>& call) {
  const auto start = trireme::base::thread_time();
  for (int i = 0; i < kBurst; ++i) call();
  const std::chrono::duration<double, std::nano> spent = trireme::base::thread_time() - start;
  trireme::record::recorder().synchronize();
  return spent.count() / kBurst;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  trireme::device::register_device();
  const at::Device device(c10::DeviceType::PrivateUse1, 0);
  std::vector<double> ratios;
  std::printf("{\"cases\": {");
  for (const Case& item : cases()) {
    if (argc > 1 && item.name != argv[1]) continue;
    const auto on_cpu = item.make(at::kCPU);
    const auto on_device = item.make(device);
    std::vector<double> cpu;
    std::vector<double> recorded;
    for (int round = 0; round < kRounds; ++round) {  // interleaved: the machine's noise hits both
      cpu.push_back(burst(on_cpu));
      recorded.push_back(burst(on_device));
    }
    ratios.push_back(median(recorded) / median(cpu));
    std::printf("%s\n \"%s\": {\"cpu_ns\": %.0f, \"recorded_ns\": %.0f, \"ratio\": %.3f}",
                ratios.size() > 1 ? "," : "", item.name.c_str(), median(cpu), median(recorded),
                ratios.back());
  }
  std::printf("\n},\n\"ratio\": %.3f}\n", median(ratios));
}
