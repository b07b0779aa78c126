// Turn a piece of work and a number of threads into parts that run side by side.

#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace edgeseg {

// Threads that sleep when there is no job. A runtime beside them wants the cores: they look for the next job for some
// microseconds only, which is how long the pieces of one frame lie apart.
class Workers {
 public:
  explicit Workers(int count) {
    try {
      for (int part = 1; part < count; ++part) threads_.emplace_back([this, part] { serve(part); });
    } catch (...) {
      stop();
      throw;
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  int count() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls job(part) for every part in 0..count()-1, part 0 on the calling thread, and waits for all. What a job throws is
  // thrown here then.
  void run(const std::function<void(int)>& job) {
    if (!threads_.empty()) {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      left_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    attempt(job, 0);
    const auto is_done = [this] { return left_.load(std::memory_order_acquire) == 0; };
    look_for(is_done);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, is_done);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  // Calls job(each) for every one of 0..jobs-1; who is free takes the next.
  template <typename Job>
  void share(int jobs, const Job& job) {
    std::atomic<int> next{0};
    run([&](int) {
      for (int each = next++; each < jobs; each = next++) job(each);
    });
  }

  // Calls job(each) for every one of 0..jobs-1, which are no more than count(), each time on the same thread, the last
  // one on the calling: what a thread has in its cache it finds there again.
  template <typename Job>
  void each(int jobs, const Job& job) {
    run([&](int part) {
      if (part < jobs) job(jobs - 1 - part);
    });
  }

  // Calls job(begin, end) for consecutive ranges that cover 0..size; for one on the calling thread below `least`, when
  // to wake the others would take longer.
  template <typename Job>
  void split(size_t size, const Job& job, size_t least = 0) {
    if (size < least) return job(size_t{0}, size);
    const size_t parts = static_cast<size_t>(count());
    run([&](int part) { job(size * part / parts, size * (part + 1) / parts); });
  }

 private:
  static constexpr int kLooks = 1000;  // some 30 microseconds

  template <typename Condition>
  static void look_for(const Condition& condition) {
    for (int look = 0; look < kLooks && !condition(); ++look) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      __asm__ volatile("isb");
#endif
    }
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void attempt(const std::function<void(int)>& job, int part) {
    try {
      job(part);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
    }
  }

  void serve(int part) {
    long seen = 0;
    for (;;) {
      const std::function<void(int)>* job;
      {
        const auto is_called = [&] { return round_.load(std::memory_order_acquire) != seen; };
        look_for(is_called);
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || is_called(); });
        if (stopping_) return;
        seen = round_.load(std::memory_order_relaxed);
        job = job_;
      }
      attempt(*job, part);
      if (left_.fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
      std::lock_guard<std::mutex> lock(mutex_);
      done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int)>* job_ = nullptr;
  std::exception_ptr failure_;
  std::atomic<long> round_{0};
  std::atomic<int> left_{0};
  bool stopping_ = false;
};

}  // namespace edgeseg
