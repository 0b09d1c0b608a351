//! Lists of places in memory from the pool: a list of its own would be an allocation for every panel.

use std::ops::Deref;

use crate::Buffer;

/// A list of distances, in items.
pub(super) struct Places {
    memory: Buffer,
    count: usize,
}

impl Places {
    pub(super) fn collect(places: impl ExactSizeIterator<Item = usize>) -> Places {
        let count = places.len();
        let mut memory = Buffer::take(count * size_of::<i64>());
        let to = memory.as_mut_slice::<i64>();
        assert!(size_of::<usize>() <= size_of::<i64>() && to.len() == count);
        let start = to.as_mut_ptr().cast::<usize>();
        // (`take` guards against an iterator that is longer than it says.)
        let written = places.take(count).enumerate().map(|(i, place)| {
            // SAFETY: the memory has room for `count` items of up to eight bytes, and is aligned to 64.
            unsafe { start.add(i).write(place) };
        });
        let count = written.count();
        Places { memory, count }
    }
}

impl Deref for Places {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        // SAFETY: `collect` wrote so many items at the start of the memory, which is aligned to 64.
        unsafe { std::slice::from_raw_parts(self.memory.as_slice::<u8>().as_ptr().cast(), self.count) }
    }
}
