// Keep large arrays where they are read fastest: on lines of the cache of their own, and on huge pages.
//
// Vertices are read in an order that no prefetcher foresees. On pages of 4 KiB most of these reads would also wait for
// the address.

#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace edgeseg {

template <typename T>
struct Aligned {
  typedef T value_type;

  Aligned() = default;
  template <typename Other>
  Aligned(const Aligned<Other>&) {}

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    void* memory = ::operator new(bytes, alignment(bytes));
#if defined(__linux__)
    if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // where there are none, nothing changes
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) { ::operator delete(memory, alignment(count * sizeof(T))); }

  friend bool operator==(const Aligned&, const Aligned&) { return true; }
  friend bool operator!=(const Aligned&, const Aligned&) { return false; }

 private:
  static constexpr size_t kLine = 64, kHugePage = size_t{1} << 21;  // bytes

  static std::align_val_t alignment(size_t bytes) { return std::align_val_t(bytes < kHugePage ? kLine : kHugePage); }
};

template <typename T>
using Array = std::vector<T, Aligned<T>>;

}  // namespace edgeseg
