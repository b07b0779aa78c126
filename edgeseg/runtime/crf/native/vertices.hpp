// Turn keys, in any order and with repetitions, into numbers from 1: a set of bits, and counts of the bits before.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace edgeseg {

// A set of 32-bit keys that knows how many of its keys come before each. Bits are kept in pages of 256 keys, which
// exist only where a key does: keys near each other share a cache line.
class alignas(64) Vertices {  // each thread has one, on lines of the cache of its own
 public:
  // Forget all keys; those to come are below `range` (or spread over all 32 bits).
  void clear(uint64_t range) {
    size_t size = 1;
    while (size << kPageBits < range && size << kPageBits < uint64_t{1} << 32) size *= 2;
    if (size == directory_.size()) {
      for (const Page& page : pages_) directory_[page.number] = 0;
    } else {
      directory_.assign(size, 0);
    }
    pages_.assign(1, Page());  // page 0 stays empty, and stands for all that do not exist
    count_ = 0;
  }

  void add(const uint32_t* keys, size_t count) {
    const uint32_t* directory = directory_.data();
    const uint32_t last = static_cast<uint32_t>(directory_.size() - 1);
    Page* pages = pages_.data();
    for (size_t i = 0; i < count; ++i) {
      const uint32_t key = keys[i];
      uint32_t at = directory[(key >> kPageBits) & last];
      if (!at) {
        at = create((key >> kPageBits) & last);
        pages = pages_.data();
      }
      uint64_t& bits = pages[at].bits[word(key)];
      if (!(bits & bit(key))) bits |= bit(key);  // mostly it is there; to store it again would hold up the next one
    }
  }

  void add(const Vertices& other) {
    for (size_t p = 1; p < other.pages_.size(); ++p) {
      const uint32_t number = other.pages_[p].number, there = directory_[number];
      Page& to = pages_[there ? there : create(number)];
      for (int w = 0; w < kWords; ++w) to.bits[w] |= other.pages_[p].bits[w];
    }
  }

  // Number the keys that are there now, in their order.
  void number_all() {
    order_.clear();
    for (size_t p = 1; p < pages_.size(); ++p) order_.push_back(pages_[p].number);
    sort();
    sorted_.assign(1, Page());
    for (uint32_t number : order_) {
      sorted_.push_back(pages_[directory_[number]]);
      directory_[number] = static_cast<uint32_t>(sorted_.size()) - 1;
    }
    pages_.swap(sorted_);
    count_ = 0;
    for (Page& page : pages_)
      for (int w = 0; w < kWords; ++w) {
        page.before[w] = count_ + 1;
        count_ += static_cast<uint32_t>(__builtin_popcountll(page.bits[w]));
      }
  }

  size_t count() const { return count_; }

  // The number, from 1, of a key of the set.
  uint32_t number(uint32_t key) const {
    const Page& page = find(key);
    return page.before[word(key)] + static_cast<uint32_t>(__builtin_popcountll(page.bits[word(key)] & (bit(key) - 1)));
  }

  // Cuts the keys at multiples of `unit` into blocks of at least `least` keys: the number at which each begins, the
  // first one 0, and the end.
  std::vector<uint32_t> blocks(uint64_t unit, uint32_t least) const {
    std::vector<uint32_t> begins(1, 0);
    uint64_t next = unit;
    for (size_t p = 1; p < pages_.size(); ++p) {
      const Page& page = pages_[p];
      const uint64_t first = uint64_t{page.number} << kPageBits;
      for (; next < first + kWords * kWordBits; next += unit) {
        const uint32_t begin = next < first ? page.before[0] : number(static_cast<uint32_t>(next));
        if (begin - begins.back() >= least) begins.push_back(begin);
      }
    }
    begins.push_back(count_ + 1);
    return begins;
  }

  // Calls found(number, number of key + step) for every key for which both are in the set, in the order of the keys.
  template <typename Found>
  void pairs(uint32_t step, const Found& found) const {
    const int words = static_cast<int>(step / kWordBits % kWords), shift = static_cast<int>(step % kWordBits);
    const uint32_t last = static_cast<uint32_t>(directory_.size() - 1);
    size_t next = 1;  // pages are in order, and so are those a step further
    uint32_t from = 0;
    for (size_t p = 1; p < pages_.size(); ++p) {
      const Page& page = pages_[p];
      const uint32_t target = (page.number + (step >> kPageBits)) & last;
      if (target < from) next = 1;  // the keys' numbers are used up, and begin again
      from = target;
      while (next < pages_.size() && pages_[next].number < target) ++next;
      const Page* reach[2];  // the page a step further, and the one behind it
      for (uint32_t k = 0; k < 2; ++k) {
        const size_t at = (target + k) > last ? 1 : next + (k && next < pages_.size() && pages_[next].number == target);
        reach[k] = at < pages_.size() && pages_[at].number == ((target + k) & last) ? &pages_[at] : &pages_[0];
      }
      for (int w = 0; w < kWords; ++w) {
        const uint64_t mine = page.bits[w];
        if (!mine) continue;
        const int low = w + words, high = low + 1;
        const uint64_t lower = reach[low / kWords]->bits[low % kWords];
        const uint64_t upper = high < 2 * kWords ? reach[high / kWords]->bits[high % kWords] : 0;
        const uint64_t others = shift ? lower >> shift | upper << (kWordBits - shift) : lower;
        for (uint64_t both = mine & others; both; both &= both - 1) {
          const uint64_t below = (both & -both) - 1;
          const int at = low * kWordBits + __builtin_ctzll(both) + shift, its = at / kWordBits;
          const Page& there = *reach[its / kWords];
          const uint64_t its_below = (uint64_t{1} << (at % kWordBits)) - 1;
          found(page.before[w] + static_cast<uint32_t>(__builtin_popcountll(mine & below)),
                there.before[its % kWords] + static_cast<uint32_t>(__builtin_popcountll(there.bits[its % kWords] & its_below)));
        }
      }
    }
  }

 private:
  static constexpr int kWords = 4, kWordBits = 64, kPageBits = 8;

  struct alignas(64) Page {
    uint64_t bits[kWords] = {};
    uint32_t before[kWords] = {};
    uint32_t number = 0;  // key / 256
  };

  static int word(uint32_t key) { return static_cast<int>(key / kWordBits % kWords); }
  static uint64_t bit(uint32_t key) { return uint64_t{1} << (key % kWordBits); }

  const Page& find(uint32_t key) const { return pages_[directory_[(key >> kPageBits) & (directory_.size() - 1)]]; }
  // Sorts order_, whose values are below the directory's size, digit by digit.
  void sort() {
    constexpr int kBits = 8;
    other_.resize(order_.size());
    for (int shift = 0; (directory_.size() - 1) >> shift; shift += kBits) {
      uint32_t begin[1 << kBits] = {}, before = 0;
      for (uint32_t number : order_) ++begin[number >> shift & 255];
      for (uint32_t& each : begin) each = std::exchange(before, before + each);
      for (uint32_t number : order_) other_[begin[number >> shift & 255]++] = number;
      order_.swap(other_);
    }
  }

  uint32_t create(uint32_t number) {
    pages_.emplace_back();
    pages_.back().number = number;
    return directory_[number] = static_cast<uint32_t>(pages_.size()) - 1;
  }

  Array<uint32_t> directory_;  // of pages_, by number; 0 where there is none
  Array<Page> pages_, sorted_;
  std::vector<uint32_t> order_, other_;
  uint32_t count_ = 0;
};

}  // namespace edgeseg
