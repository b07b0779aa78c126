// Turn a piece of work and a number of threads into parts that run side by side.

#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace edgeseg {

// Threads that sleep between jobs. They never spin: a runtime beside them wants the cores.
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
      left_ = static_cast<int>(threads_.size());
      ++round_;
    }
    wake_.notify_all();
    attempt(job, 0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
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
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
        if (stopping_) return;
        seen = round_;
        job = job_;
      }
      attempt(*job, part);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int)>* job_ = nullptr;
  std::exception_ptr failure_;
  long round_ = 0;
  int left_ = 0;
  bool stopping_ = false;
};

}  // namespace edgeseg
