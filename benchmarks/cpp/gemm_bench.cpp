// SPDX-License-Identifier: Apache-2.0
// Matrix products: rates of oneDNN and of at::mm for shapes of small transformers, and what a run
// of a prepared product costs besides its arithmetic.
//   gemm_bench [threads]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>

#include "trireme/base/openmp.h"
#include "trireme/compile/library/gemm.h"

namespace {

using trireme::compile::DType;
using trireme::compile::GemmProblem;

// Best of several batches of runs, in seconds a run.
template <class Run>
double best_of(Run run) {
  using Clock = std::chrono::steady_clock;
  run();
  const auto time = [&](int64_t runs) {
    const Clock::time_point start = Clock::now();
    for (int64_t i = 0; i < runs; ++i) run();
    return std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(runs);
  };
  constexpr double kBatch = 0.02;
  const auto runs = std::max<int64_t>(1, static_cast<int64_t>(kBatch / time(1)));
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) best = std::min(best, time(runs));
  return best;
}

struct Shape {
  int64_t m;
  int64_t n;
  int64_t k;
};

class Scratch {
 public:
  explicit Scratch(size_t bytes)
      : data_(static_cast<std::byte*>(::operator new[](bytes + 1, std::align_val_t(64)))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::operator delete[](data_, std::align_val_t(64)); }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
};

void compare(const trireme::compile::GemmLibrary& library, at::ScalarType type, DType dtype,
             Shape shape) {
  const at::Tensor a = at::ones({shape.m, shape.k}, type);
  const at::Tensor b = at::ones({shape.n, shape.k}, type);  // a linear layer's weight
  at::Tensor c = at::empty({shape.m, shape.n}, type);
  GemmProblem problem;
  problem.m = shape.m;
  problem.n = shape.n;
  problem.k = shape.k;
  problem.a = {dtype, shape.k, 1, {}};
  problem.b = {dtype, 1, shape.k, {}};
  problem.c = {dtype, shape.n, 1, {}};
  const auto flops = 2e-9 * static_cast<double>(shape.m * shape.n * shape.k);
  const auto run = [&](bool packed) {
    problem.packed_b = packed;
    const auto made = library.make(problem);
    if (!made.gemm) {
      std::fprintf(stderr, "%s\n", made.reason.c_str());
      std::exit(1);
    }
    const Scratch scratch(made.gemm->scratch_bytes());
    const Scratch weight(made.gemm->packed_bytes());
    if (packed) made.gemm->pack(b.data_ptr(), weight.data(), scratch.data());
    const void* right = packed ? static_cast<const void*>(weight.data()) : b.data_ptr();
    const trireme::compile::GemmPointers pointers{a.data_ptr(), right, c.data_ptr(), nullptr, {}};
    return best_of([&] { made.gemm->run(pointers, scratch.data()); });
  };
  const double plain = run(false);
  const double packed = run(true);
  const at::Tensor turned = b.t();
  const double torch = best_of([&] { at::mm_out(c, a, turned); });
  std::printf("%-5s %5ld %5ld %5ld", std::string(name_of(dtype)).c_str(),
              static_cast<long>(shape.m), static_cast<long>(shape.n), static_cast<long>(shape.k));
  const auto print = [&](const char* what, double seconds) {
    std::printf("   %s %7.1f GFLOP/s %9.0f ns", what, flops / seconds, seconds * 1e9);
  };
  print("onednn", plain);
  print("packed", packed);
  print("at::mm", torch);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : omp_get_max_threads();
  at::set_num_threads(threads);
  omp_set_num_threads(threads);
  const auto library = trireme::compile::onednn_library();
  constexpr Shape kShapes[] = {{1, 1, 1},        {4, 4, 4},        {64, 512, 512},
                               {1, 2048, 512},   {1024, 512, 512}, {1024, 2048, 512},
                               {1024, 512, 2048}};
  for (const Shape& shape : kShapes) compare(*library, at::kFloat, DType::Float32, shape);
  for (const Shape& shape : kShapes) compare(*library, at::kBFloat16, DType::BFloat16, shape);
}
