//! How the tiles of all images are numbered and cut into blocks.

use std::ops::Range;

/// The tiles that cover all images of `height` x `width` pixels.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) images: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Rows and columns of tiles in an image.
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Grid {
    pub(super) fn new(images: usize, [height, width]: [usize; 2], tile: usize) -> Grid {
        Grid { images, height, width, rows: height.div_ceil(tile), cols: width.div_ceil(tile) }
    }

    /// Rows of tiles in all images: row r is row `r % rows` of image `r / rows`.
    pub(super) fn all_rows(&self) -> usize {
        self.images * self.rows
    }

    /// Cuts the tiles into blocks of about `tiles`, whole rows of tiles where they fit.
    pub(super) fn cut(&self, tiles: usize) -> Cut {
        let across = self.cols.div_ceil(tiles.max(1));
        let down = self.all_rows().div_ceil((tiles * across / self.cols).max(1));
        Cut { grid: *self, across, down }
    }
}

/// A way to cut a grid into `down` times `across` blocks.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    grid: Grid,
    across: usize,
    down: usize,
}

impl Cut {
    pub(super) fn blocks(&self) -> usize {
        self.across * self.down
    }

    pub(super) fn block(&self, number: usize) -> Block {
        let part = |n: usize, i: usize, parts: usize| n * i / parts..n * (i + 1) / parts;
        Block {
            grid: self.grid,
            rows: part(self.grid.all_rows(), number / self.across, self.down),
            cols: part(self.grid.cols, number % self.across, self.across),
        }
    }
}

/// Some columns of some rows of tiles, numbered row by row.
pub(super) struct Block {
    pub(super) grid: Grid,
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

/// The part of a block in one image.
pub(super) struct Piece {
    pub(super) image: usize,
    /// Rows and columns of tiles of the image.
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
    /// The number of its first tile in the block.
    pub(super) first: usize,
}

impl Block {
    pub(super) fn tiles(&self) -> usize {
        self.rows.len() * self.cols.len()
    }

    /// The most rows and columns of tiles that a piece can have.
    pub(super) fn piece(&self) -> [usize; 2] {
        [self.rows.len().min(self.grid.rows), self.cols.len()]
    }

    /// The block's pieces, image after image.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let (each, all, cols) = (self.grid.rows, self.rows.clone(), self.cols.clone());
        (all.start / each..all.end.div_ceil(each)).map(move |image| {
            let (start, end) = ((image * each).max(all.start), ((image + 1) * each).min(all.end));
            let rows = start - image * each..end - image * each;
            Piece { image, rows, cols: cols.clone(), first: (start - all.start) * cols.len() }
        })
    }
}
