//! Giving memory back to the system.
//!
//! The allocator (mimalloc 3) gives pages back a second after they were freed, but
//! only looks at them when other pages are freed, or when a thread ends: a process
//! whose ten thousand connections have closed and that has nothing more to do keeps
//! their 350 MB. It has a function for that, which only unsafe code can call. So a
//! thread is begun and ended now and then: 50 microseconds, and what was freed
//! before goes back (`tests/bounds.rs`, `memory_of_closed_connections_comes_back`).
//! Huge pages are off (the feature `no_thp`): the system would fill the holes again.

/// Makes the allocator look for freed pages.
pub fn give_back() {
    let thread = std::thread::Builder::new().stack_size(64 << 10);
    // It must have memory of its own for its end to be noticed.
    let work = || drop(std::hint::black_box(vec![0u8; 64]));
    match thread.spawn(work).map(std::thread::JoinHandle::join) {
        Ok(Ok(())) => {}
        // Without a thread memory stays for a while longer.
        Ok(Err(_)) | Err(_) => tracing::debug!("no thread for giving memory back"),
    }
}
