// Turn keys, in any order and with repetitions, into numbers from 1: a set of bits, and counts of the bits before.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace edgeseg {

// A set of 32-bit keys that knows how many of its keys come before each. Bits are kept in pages of 256 keys, which
// exist only where a key does: keys near each other share a cache line.
class Vertices {
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

  void add(uint32_t key) { page(key).bits[word(key)] |= bit(key); }

  void add(const Vertices& other) {
    for (size_t p = 1; p < other.pages_.size(); ++p) {
      Page& to = page(other.pages_[p].number << kPageBits);
      for (int w = 0; w < kWords; ++w) to.bits[w] |= other.pages_[p].bits[w];
    }
  }

  // Number the keys that are there now, in their order.
  void number_all() {
    order_.clear();
    for (size_t p = 1; p < pages_.size(); ++p) order_.push_back(pages_[p].number);
    std::sort(order_.begin(), order_.end());
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

  // Calls found(number, number of key + step) for every key for which both are in the set.
  template <typename Found>
  void pairs(uint32_t step, const Found& found) const {
    for (size_t p = 1; p < pages_.size(); ++p) {
      const Page& page = pages_[p];
      for (int w = 0; w < kWords; ++w) {
        if (!page.bits[w]) continue;
        const uint32_t start = (page.number << kPageBits) + static_cast<uint32_t>(w) * kWordBits + step;
        const Page& lower = find(start);
        const Page& upper = find(start + kWordBits);
        const int shift = static_cast<int>(start % kWordBits);
        uint64_t others = lower.bits[word(start)] >> shift;
        if (shift) others |= upper.bits[word(start + kWordBits)] << (kWordBits - shift);
        for (uint64_t both = page.bits[w] & others; both; both &= both - 1) {
          const uint64_t below = (both & -both) - 1;
          const int at = __builtin_ctzll(both) + shift;
          const Page& there = at < kWordBits ? lower : upper;
          const int its_word = at < kWordBits ? word(start) : word(start + kWordBits);
          const uint64_t its_below = (uint64_t{1} << (at % kWordBits)) - 1;
          found(page.before[w] + static_cast<uint32_t>(__builtin_popcountll(page.bits[w] & below)),
                there.before[its_word] + static_cast<uint32_t>(__builtin_popcountll(there.bits[its_word] & its_below)));
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
  Page& page(uint32_t key) {
    const uint32_t number = (key >> kPageBits) & static_cast<uint32_t>(directory_.size() - 1);
    uint32_t& at = directory_[number];
    if (!at) {
      at = static_cast<uint32_t>(pages_.size());
      pages_.emplace_back();
      pages_.back().number = number;
    }
    return pages_[at];
  }

  std::vector<uint32_t> directory_;  // of pages_, by number; 0 where there is none
  std::vector<Page> pages_, sorted_;
  std::vector<uint32_t> order_;
  uint32_t count_ = 0;
};

}  // namespace edgeseg
