//! The worker threads of all kernels.
//!
//! Workers are started when first needed and live as long as the process. Between jobs they look for work for a few
//! tens of microseconds, so that the kernels of a training step find them awake, and then sleep: an idle program
//! uses no processor time.
//!
//! A job is a number of tasks that any thread may claim in turn, the caller among them. A worker that is not running
//! (because the system gave its core away) claims nothing, and the caller waits only for tasks that were
//! begun. While a job runs, further jobs, from inside a task or from other threads, run on their caller alone; since
//! no kernel lets its result depend on the number of threads, that is invisible except in time.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How many threads a kernel may use, the calling one among them.
///
/// Unless [`set_threads`] was called, this is the environment variable `TALWEG_THREADS`, else `RAYON_NUM_THREADS`,
/// else the number of cores that the process may run on. Values that are not positive numbers are passed over.
#[inline]
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => default_threads(),
        n => n,
    }
}

/// Sets how many threads kernels may use; 1 keeps all work on the calling thread. Results do not change.
///
/// # Panics
/// If `n` is 0 or more than 1024.
#[track_caller]
pub fn set_threads(n: usize) {
    assert!((1..=1024).contains(&n), "set_threads: {n} threads asked for, but only 1 to 1024 can be used");
    THREADS.store(n, Ordering::Relaxed);
}

/// Calls `f(0)`, `f(1)`, .. `f(tasks - 1)`, each once, on several threads, and returns when all are done.
///
/// Threads claim tasks in increasing order, so a task may wait for an earlier one, never for a later one. Calls from
/// inside `f` run on the calling thread alone. One task, or one thread, costs no more than the plain loop; otherwise
/// the price is one to two microseconds while the workers are awake, so split work only when it is worth that.
///
/// # Panics
/// A panic in `f` reaches the caller (the first one, if there are several), once no task runs any more; tasks not
/// yet begun are then dropped.
pub fn for_each(tasks: usize, f: &(dyn Fn(usize) + Sync)) {
    if tasks <= 1 || threads() == 1 || INSIDE.get() {
        return (0..tasks).for_each(f);
    }
    let pool = &POOL;
    if pool.busy.swap(true, Ordering::Acquire) {
        return (0..tasks).for_each(f);
    }
    let panic = pool.run(tasks, f);
    pool.busy.store(false, Ordering::Release);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Cuts `out` into chunks of `chunk` items (the last may be shorter) and calls `f(number of the chunk, chunk)` for
/// each, on several threads.
///
/// # Panics
/// If `chunk` is 0; and as [`for_each`] does.
#[track_caller]
pub fn for_chunks<T: Send>(out: &mut [T], chunk: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    assert!(chunk > 0, "for_chunks: the chunk length is 0");
    let len = out.len();
    if len <= chunk {
        if len > 0 {
            f(0, out);
        }
        return;
    }
    let base = Shared(out.as_mut_ptr());
    for_each(len.div_ceil(chunk), &|i| {
        let start = i * chunk;
        // SAFETY: the chunks `start .. start + chunk` of different `i` do not overlap and lie inside `out`, which
        // is borrowed mutably until all tasks are done; `for_each` calls each `i` once.
        let part = unsafe { std::slice::from_raw_parts_mut(base.get().add(start), chunk.min(len - start)) };
        f(i, part);
    });
}

/// A pointer that tasks share. Whoever dereferences it sees to it that tasks touch disjoint places.
pub(crate) struct Shared<T>(*mut T);

impl<T> Shared<T> {
    pub(crate) fn new(p: *mut T) -> Self {
        Shared(p)
    }

    /// The pointer. (A method, because closures would capture the bare field, which is not `Sync`.)
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: the pointer alone gives no access; every dereference is justified where it happens, and `T: Send` lets
// other threads own the items it points at.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

/// Waits a moment for another thread: at first by spinning, later by giving the core away, in case the other thread
/// needs this very core.
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff(0)
    }

    #[inline]
    pub(crate) fn wait(&mut self) {
        if self.0 < 2000 {
            self.0 += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// The chosen number of threads; 0 means the default.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// How long an idle worker looks for work before it sleeps.
const AWAKE: Duration = Duration::from_micros(60);

thread_local! {
    /// Whether this thread is executing a task; its own jobs then run inline.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn default_threads() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let asked = |name| std::env::var(name).ok()?.trim().parse().ok().filter(|n| (1..=1024).contains(n));
        asked("TALWEG_THREADS")
            .or_else(|| asked("RAYON_NUM_THREADS"))
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get().min(1024)))
    })
}

type Task = dyn Fn(usize) + Sync;

/// What the workers are to do now. Written by the caller while `Pool::state` is closed and nobody is inside.
struct Job {
    task: Option<*const Task>,
    tasks: usize,
}

struct Pool {
    /// Held by the thread whose job runs.
    busy: AtomicBool,
    /// `OPEN` while the job may be joined, plus the number of workers inside, plus `TURN` times the job's number.
    state: AtomicUsize,
    /// The next unclaimed task.
    next: AtomicUsize,
    job: UnsafeCell<Job>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    workers: Mutex<Vec<Worker>>,
}

struct Worker {
    thread: Thread,
    asleep: &'static AtomicBool,
}

const OPEN: usize = 1 << 11;
const TURN: usize = 1 << 12;
const INSIDE_MASK: usize = OPEN - 1;

static POOL: Pool = Pool {
    busy: AtomicBool::new(false),
    state: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    job: UnsafeCell::new(Job { task: None, tasks: 0 }),
    panic: Mutex::new(None),
    workers: Mutex::new(Vec::new()),
};

// SAFETY: `job` is the only field that is not `Sync`. It is written only by the holder of `busy` while `state` is
// closed with nobody inside, and read only by workers that entered through an open `state` (acquire/release pairs).
unsafe impl Sync for Pool {}

impl Pool {
    /// Runs one job; the caller holds `busy`. Returns the first panic of a task.
    fn run(&self, tasks: usize, f: &(dyn Fn(usize) + Sync)) -> Option<Box<dyn Any + Send>> {
        // SAFETY: only the lifetime changes. No worker keeps the pointer: this function returns after the job was
        // closed and the last worker inside has left.
        let task = unsafe { std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(f) };
        // SAFETY: we hold `busy`, and the last job ended with `state` closed and nobody inside.
        unsafe { *self.job.get() = Job { task: Some(task), tasks } };
        self.next.store(0, Ordering::Relaxed);
        self.state.fetch_add(TURN + OPEN, Ordering::SeqCst);
        self.wake(threads().min(tasks) - 1);
        self.work(tasks, f);
        self.state.fetch_sub(OPEN, Ordering::SeqCst);
        let mut backoff = Backoff::new();
        while self.state.load(Ordering::Acquire) & INSIDE_MASK != 0 {
            backoff.wait();
        }
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Claims and executes tasks until none is left.
    fn work(&self, tasks: usize, f: &(dyn Fn(usize) + Sync)) {
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = self.next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                f(i);
            }
        }));
        INSIDE.set(false);
        if let Err(panic) = result {
            // Nobody shall begin another task. (Far from overflow: threads add at most one each after this.)
            self.next.store(usize::MAX / 2, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Sees to it that `count` workers exist and are awake.
    fn wake(&self, count: usize) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while workers.len() < count {
            let index = workers.len();
            let asleep: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
            let started = std::thread::Builder::new()
                .name(format!("talweg-{}", index + 1))
                .spawn(move || POOL.worker(index, asleep));
            match started {
                Ok(handle) => workers.push(Worker { thread: handle.thread().clone(), asleep }),
                // The system refuses more threads: the work gets done by fewer.
                Err(_) => break,
            }
        }
        for worker in workers.iter().take(count) {
            if worker.asleep.load(Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
    }

    /// The life of worker number `index`.
    fn worker(&self, index: usize, asleep: &AtomicBool) {
        let mut last = 0;
        loop {
            let state = self.await_job(last, asleep);
            last = state / TURN;
            if index + 1 >= threads() || !self.enter(last) {
                continue;
            }
            // SAFETY: `enter` succeeded, so the job stays as it is until we leave.
            let (task, tasks) = unsafe { ((*self.job.get()).task, (*self.job.get()).tasks) };
            if let Some(task) = task {
                // SAFETY: the caller of `run` keeps the closure alive until we have left.
                self.work(tasks, unsafe { &*task });
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for an open job other than number `last`; returns the state that showed it.
    fn await_job(&self, last: usize, asleep: &AtomicBool) -> usize {
        let fresh = |state: usize| state & OPEN != 0 && state / TURN != last;
        let start = Instant::now();
        loop {
            for _ in 0..64 {
                let state = self.state.load(Ordering::Acquire);
                if fresh(state) {
                    return state;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() < AWAKE {
                continue;
            }
            asleep.store(true, Ordering::SeqCst);
            loop {
                // Looking again after `asleep` was set: either we see the job here or its caller sees `asleep`.
                let state = self.state.load(Ordering::SeqCst);
                if fresh(state) {
                    asleep.store(false, Ordering::Relaxed);
                    return state;
                }
                std::thread::park();
            }
        }
    }

    /// Joins job number `turn`, unless it is closed already.
    fn enter(&self, turn: usize) -> bool {
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| {
                (state & OPEN != 0 && state / TURN == turn).then_some(state + 1)
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_task_runs_once() {
        for tasks in [0, 1, 2, 3, 100, 1000] {
            let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            for_each(tasks, &|i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{tasks} tasks");
        }
    }

    #[test]
    fn many_short_jobs_after_pauses() {
        let sum = AtomicU64::new(0);
        for job in 0..2000 {
            if job % 500 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            for_each(4, &|i| {
                sum.fetch_add(i as u64 + 1, Ordering::Relaxed);
            });
        }
        assert_eq!(sum.load(Ordering::Relaxed), 20_000);
    }

    #[test]
    fn chunks_are_disjoint_and_cover_everything() {
        for (len, chunk) in [(0, 3), (2, 3), (3, 3), (10, 3), (1000, 7)] {
            let mut out = vec![0usize; len];
            for_chunks(&mut out, chunk, &|i, part| part.iter_mut().for_each(|x| *x += i + 1));
            let expected: Vec<usize> = (0..len).map(|j| j / chunk + 1).collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn nested_and_concurrent_jobs_finish() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let sum = AtomicUsize::new(0);
                        for_each(3, &|_| {
                            for_each(5, &|j| {
                                sum.fetch_add(j, Ordering::Relaxed);
                            })
                        });
                        assert_eq!(sum.load(Ordering::Relaxed), 30);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        for _ in 0..20 {
            let caught = catch_unwind(|| for_each(8, &|i| assert!(i != 5, "task five fails")));
            let message = caught.unwrap_err().downcast::<&str>().unwrap();
            assert!(message.contains("task five fails"));
        }
        let sum = AtomicUsize::new(0);
        for_each(8, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 28);
    }

    #[test]
    #[should_panic(expected = "set_threads: 0 threads asked for")]
    fn zero_threads_are_refused() {
        set_threads(0);
    }
}
