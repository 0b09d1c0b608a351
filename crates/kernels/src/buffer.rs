//! Aligned memory from a caching pool.
//!
//! A training loop asks for the same sizes again and again. A freed block is therefore kept and handed out again, so
//! that a steady loop neither calls the system's allocator nor meets a page for the first time. Small blocks wait in
//! lists of the thread that freed them (no lock), larger ones and overflow in lists that all threads share. Blocks of
//! 2 MiB and more ask for huge pages.
//!
//! What is kept is bounded: the shared lists never hold more than the most that was in use at once, and a thread's
//! own lists hold 8 MiB at most.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Pod;

/// A block of memory, aligned to 64 bytes, that returns to the pool when dropped.
///
/// The bytes are always initialised, though to unspecified values unless [`Buffer::zeroed`] made it.
///
/// ```
/// use talweg_kernels::Buffer;
/// let mut buffer = Buffer::zeroed(12);
/// buffer.as_mut_slice::<f32>()[1] = 2.5;
/// assert_eq!(buffer.as_slice::<f32>(), [0.0, 2.5, 0.0]);
/// ```
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<u8>,
    len: usize,
    class: usize,
}

/// How much memory the pool has, see [`stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that the pool has from the system: in use or waiting.
    pub allocated_bytes: usize,
    /// Bytes of it that wait to be used again, in the shared lists and in those of the calling thread. (Blocks in
    /// the lists of other threads count as in use.)
    pub held_bytes: usize,
    /// How often the pool had to ask the system for memory. Constant in a steady loop.
    pub system_allocations: usize,
}

/// The state of the pool at this moment.
pub fn stats() -> Stats {
    let local = LOCAL.try_with(|local| local.borrow().bytes).unwrap_or(0);
    let shared = shared();
    Stats {
        allocated_bytes: shared.allocated,
        held_bytes: shared.held + local,
        system_allocations: shared.allocations,
    }
}

/// Gives all waiting memory of the shared lists and of the calling thread back to the system.
pub fn release() {
    // A thread that is ending has no lists any more: its blocks went to the shared ones by themselves.
    let _ended = LOCAL.try_with(|local| local.borrow_mut().empty());
    shared().release();
}

impl Buffer {
    /// A block of `bytes` bytes with unspecified (but initialised) contents.
    ///
    /// # Panics
    /// If `bytes` is above 2^46. If the system has no memory left, the process ends as with any allocation.
    #[track_caller]
    pub fn take(bytes: usize) -> Buffer {
        assert!(bytes <= MOST_BYTES, "Buffer::take: {bytes} bytes asked for, more than any machine has");
        let class = class_of(bytes);
        // While a thread ends, its own lists are gone; the shared ones serve then.
        let local = LOCAL.try_with(|local| local.borrow_mut().pop(class)).unwrap_or(None);
        let Block(start) = local.unwrap_or_else(|| take_shared(class));
        Buffer { start, len: bytes, class }
    }

    /// A block of `bytes` zero bytes.
    ///
    /// # Panics
    /// As [`Buffer::take`].
    #[track_caller]
    pub fn zeroed(bytes: usize) -> Buffer {
        let mut buffer = Buffer::take(bytes);
        buffer.as_mut_slice::<u8>().fill(0);
        buffer
    }

    /// The number of bytes that were asked for.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes were asked for.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The block as items of type `T`, as many as fit.
    #[inline]
    pub fn as_slice<T: Pod>(&self) -> &[T] {
        // SAFETY: the block is `len` initialised bytes (none, without a block), aligned to 64, and every bit pattern
        // is a valid `T`; it is ours until dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len / size_of::<T>()) }
    }

    /// The block as mutable items of type `T`, as many as fit.
    #[inline]
    pub fn as_mut_slice<T: Pod>(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len / size_of::<T>()) }
    }
}

/// No memory: what stays behind when a buffer is moved out of a place.
impl Default for Buffer {
    #[inline]
    fn default() -> Buffer {
        Buffer { start: NonNull::<Unit>::dangling().cast(), len: 0, class: NO_CLASS }
    }
}

impl Drop for Buffer {
    // Inlined, because what is dropped is mostly the nothing that stays behind.
    #[inline]
    fn drop(&mut self) {
        if self.class != NO_CLASS {
            self.give_back();
        }
    }
}

impl Buffer {
    /// Puts the block where it can be found again.
    fn give_back(&self) {
        let (block, class) = (Block(self.start), self.class);
        // The lists of a thread that is ending are gone; its blocks go to the shared ones.
        let kept = LOCAL.try_with(|local| local.borrow_mut().push(block, class)).unwrap_or(false);
        if !kept {
            shared().put(block, class);
        }
    }
}

// SAFETY: a buffer owns its block as a `Box<[u8]>` would.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

/// Alignment of every block, and the unit of block sizes.
const UNIT: usize = 64;
const MOST_BYTES: usize = 1 << 46;
const CLASSES: usize = 160;
/// The class of a buffer without a block.
const NO_CLASS: usize = usize::MAX;

/// Aligned as every block is.
#[repr(align(64))]
struct Unit;

/// Larger blocks never wait in a thread's own lists: the lock is cheap beside filling them.
const LOCAL_BLOCK_BYTES: usize = 256 << 10;
const LOCAL_BYTES: usize = 8 << 20;
/// From this size on blocks are aligned to, and ask for, huge pages.
const HUGE: usize = 2 << 20;

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local { lists: [const { Vec::new() }; CLASSES], bytes: 0 }) };
}

static SHARED: Mutex<SharedLists> = Mutex::new(SharedLists {
    lists: [const { Vec::new() }; CLASSES],
    held: 0,
    allocated: 0,
    peak: 0,
    allocations: 0,
});

fn shared() -> MutexGuard<'static, SharedLists> {
    // No code that holds the lock leaves the lists half changed, so a poisoned lock is as good as a sound one.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size class of a block: four per doubling, so that at most a fifth of a block is unused.
fn class_of(bytes: usize) -> usize {
    let last = bytes.div_ceil(UNIT).max(1) - 1;
    if last < 4 {
        return last;
    }
    let shift = last.ilog2() as usize - 2;
    4 * shift + (last >> shift)
}

/// The size of the blocks of a class.
fn class_bytes(class: usize) -> usize {
    if class < 4 {
        return (class + 1) * UNIT;
    }
    (class % 4 + 5) << (class / 4 - 1) << UNIT.ilog2()
}

fn layout(class: usize) -> Layout {
    let bytes = class_bytes(class);
    let align = if bytes >= HUGE { HUGE } else { UNIT };
    Layout::from_size_align(bytes, align).expect("sizes up to 2^46 aligned to 2 MiB are valid layouts")
}

/// A block that nobody uses.
#[derive(Clone, Copy)]
struct Block(NonNull<u8>);

// SAFETY: whoever has the block owns its memory.
unsafe impl Send for Block {}

/// The waiting small blocks of one thread.
struct Local {
    lists: [Vec<Block>; CLASSES],
    bytes: usize,
}

impl Local {
    fn pop(&mut self, class: usize) -> Option<Block> {
        let block = self.lists[class].pop();
        if block.is_some() {
            self.bytes -= class_bytes(class);
        }
        block
    }

    /// Keeps the block, unless it is too large or the lists are full.
    fn push(&mut self, block: Block, class: usize) -> bool {
        let bytes = class_bytes(class);
        let fits = bytes <= LOCAL_BLOCK_BYTES && self.bytes + bytes <= LOCAL_BYTES;
        if fits {
            self.bytes += bytes;
            self.lists[class].push(block);
        }
        fits
    }

    /// Moves all blocks to the shared lists.
    fn empty(&mut self) {
        let mut shared = shared();
        for (class, list) in self.lists.iter_mut().enumerate() {
            list.drain(..).for_each(|block| shared.put(block, class));
        }
        self.bytes = 0;
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The waiting blocks of all threads, and the accounts.
struct SharedLists {
    lists: [Vec<Block>; CLASSES],
    held: usize,
    allocated: usize,
    /// The most that was ever in use, that is allocated but not held.
    peak: usize,
    allocations: usize,
}

impl SharedLists {
    /// Keeps the block, unless that would be more than was ever in use.
    fn put(&mut self, block: Block, class: usize) {
        let bytes = class_bytes(class);
        if self.held + bytes > self.peak {
            self.give_back(block, class);
        } else {
            self.held += bytes;
            self.lists[class].push(block);
        }
    }

    fn release(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.lists[class].pop() {
                self.held -= class_bytes(class);
                self.give_back(block, class);
            }
        }
    }

    fn give_back(&mut self, Block(start): Block, class: usize) {
        self.allocated -= class_bytes(class);
        // SAFETY: `take_shared` allocated the block with this layout, and its owner gave it up.
        unsafe { dealloc(start.as_ptr(), layout(class)) };
    }
}

/// A block from the shared lists, else from the system.
#[cold]
fn take_shared(class: usize) -> Block {
    let mut shared = shared();
    let bytes = class_bytes(class);
    let waiting = shared.lists[class].pop();
    match waiting {
        Some(_) => shared.held -= bytes,
        None => {
            shared.allocated += bytes;
            shared.allocations += 1;
        }
    }
    shared.peak = shared.peak.max(shared.allocated - shared.held);
    // The system call happens outside the lock.
    drop(shared);
    waiting.unwrap_or_else(|| from_system(class))
}

fn from_system(class: usize) -> Block {
    let layout = layout(class);
    // SAFETY: the layout's size is not 0.
    let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
    if layout.size() >= HUGE {
        ask_for_huge_pages(start, layout.size());
    }
    // SAFETY: the block is ours and has this size. Writing makes its bytes initialised, and takes the page faults.
    unsafe { start.as_ptr().write_bytes(0, layout.size()) };
    Block(start)
}

#[cfg(all(target_os = "linux", not(miri)))]
fn ask_for_huge_pages(start: NonNull<u8>, bytes: usize) {
    const MADV_HUGEPAGE: i32 = 14;
    // SAFETY: this is the declaration of the C library on Linux.
    unsafe extern "C" {
        fn madvise(start: *mut std::ffi::c_void, len: usize, advice: i32) -> i32;
    }
    // SAFETY: the range is a live allocation, and this advice changes no contents. The answer does not matter: a
    // kernel without huge pages refuses, and the memory works all the same.
    unsafe { madvise(start.as_ptr().cast(), bytes & !(HUGE - 1), MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask_for_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_sizes_tightly() {
        for bytes in (0..5000).chain([1 << 20, (1 << 20) + 1, 3 << 30, MOST_BYTES]) {
            let class = class_of(bytes);
            assert!(class < CLASSES && class_bytes(class) >= bytes.max(1), "{bytes}");
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes} fits class {}", class.max(1) - 1);
        }
    }

    #[test]
    fn blocks_are_aligned_and_have_the_length_asked_for() {
        for bytes in [0, 1, 63, 64, 65, 1000, 4096, 3 << 20] {
            let mut buffer = Buffer::take(bytes);
            assert_eq!(buffer.len(), bytes);
            assert_eq!(buffer.as_slice::<u8>().as_ptr() as usize % 64, 0);
            buffer.as_mut_slice::<u8>().fill(7);
            assert_eq!(buffer.as_slice::<f64>().len(), bytes / 8);
            drop(buffer);
            assert!(Buffer::zeroed(bytes).as_slice::<u8>().iter().all(|&b| b == 0));
        }
    }

    #[test]
    fn no_memory_is_an_empty_slice() {
        let mut buffer = Buffer::zeroed(8);
        let taken = std::mem::take(&mut buffer);
        assert_eq!((taken.len(), buffer.len(), buffer.as_mut_slice::<f64>().len()), (8, 0, 0));
        assert_eq!(buffer.as_slice::<u8>().as_ptr() as usize % 64, 0);
    }

    #[test]
    fn a_freed_block_comes_back() {
        // Small enough for the lists of this thread, which no other test touches.
        for bytes in [1, 1000, (100 << 10) + 1] {
            let first = Buffer::take(bytes);
            let place = first.start;
            drop(first);
            assert_eq!(Buffer::take(bytes).start, place);
        }
    }

    #[test]
    fn a_steady_loop_asks_the_system_for_nothing() {
        let step = || -> Vec<Buffer> { [10, 500, 70_000, 600_000, 5 << 20].map(Buffer::take).into() };
        // A thread of its own and a count of its own classes: other tests run at the same time.
        std::thread::spawn(move || {
            let mut places: Vec<_> = step().iter().map(|b| b.start).collect();
            places.sort();
            for _ in 0..20 {
                let mut again: Vec<_> = step().iter().map(|b| b.start).collect();
                again.sort();
                assert_eq!(again[..2], places[..2]);
            }
        })
        .join()
        .unwrap();
        assert!(stats().allocated_bytes >= stats().held_bytes);
    }

    #[test]
    fn buffers_may_die_on_another_thread() {
        let buffers: Vec<Buffer> = (0..100).map(|i| Buffer::zeroed(i * 100)).collect();
        std::thread::spawn(move || drop(buffers)).join().unwrap();
    }

    #[test]
    fn the_shared_lists_stay_below_the_peak() {
        let mut lists = SharedLists {
            lists: [const { Vec::new() }; CLASSES],
            held: 0,
            allocated: 0,
            peak: 0,
            allocations: 0,
        };
        let class = class_of(1000);
        let bytes = class_bytes(class);
        lists.allocated = 3 * bytes;
        lists.peak = 2 * bytes;
        for _ in 0..3 {
            lists.put(from_system(class), class);
        }
        assert_eq!((lists.held, lists.allocated), (2 * bytes, 2 * bytes));
        lists.release();
        assert_eq!((lists.held, lists.allocated), (0, 0));
    }
}
