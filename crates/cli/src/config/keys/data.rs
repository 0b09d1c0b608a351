//! The keys of `[data]`.

use crate::config::check::Table;
use crate::config::schema::{Default, Group, Key, Kind, Range};

pub(super) static DATA: Group = Group {
    name: "data",
    meaning: "Which examples the network learns from, and how they are split and prepared.",
    keys: &[
        Key {
            name: "source",
            kind: Kind::Word(&[
                ("xor", "the four rows of the exclusive or, built in: inputs [2], 2 classes"),
                (
                    "digits",
                    "1,797 handwritten digits of 8 x 8 pixels, built in: inputs [1, 8, 8], 10 classes",
                ),
                ("fashion-mnist", "70,000 pictures of clothes in IDX files: inputs [1, 28, 28], 10 classes"),
                ("mnist", "70,000 handwritten digits in IDX files: inputs [1, 28, 28], 10 classes"),
                ("idx", "your own pictures in IDX files"),
                ("csv", "a table of text: one example per row, one feature per column"),
                ("images", "a folder with one folder of pictures per class"),
            ]),
            default: Default::Required,
            meaning: "where the examples come from",
            example: "\"digits\"",
            sources: &[],
        },
        Key {
            name: "path",
            kind: Kind::Text,
            default: Default::Absent("searched for in the usual places (`mnist` and `fashion-mnist` only)"),
            meaning: "the CSV file, the folder of class folders, or the folder of the IDX files, which are named like \
                      those of MNIST (`train-images-idx3-ubyte` and so on, plain or with `.gz`); a relative path \
                      counts from the current folder",
            example: "\"data/iris.csv\"",
            sources: &["fashion-mnist", "mnist", "idx", "csv", "images"],
        },
        Key {
            name: "test",
            kind: Kind::Text,
            default: Default::Absent("the test part is split off by `test_fraction`"),
            meaning: "a second CSV file or folder of class folders that holds the test part",
            example: "\"data/iris-test.csv\"",
            sources: &["csv", "images"],
        },
        Key {
            name: "test_fraction",
            kind: Kind::Number(Range::below(0.0, 1.0)),
            default: Default::From("0.2, or 0 where `test` names the test part", test_fraction),
            meaning: "the part of all examples kept for the test after training; no example of it is trained on",
            example: "0.2",
            sources: &["csv", "images"],
        },
        Key {
            name: "validation_fraction",
            kind: Kind::Number(Range::below(0.0, 1.0)),
            default: Default::From("0.1 where `train.early_stopping` is given, else 0", validation_fraction),
            meaning: "the part of the remaining examples that is not trained on but measured after each epoch; \
                      early stopping watches it",
            example: "0.1",
            sources: &["digits", "fashion-mnist", "mnist", "idx", "csv", "images"],
        },
        Key {
            name: "task",
            kind: Kind::Word(&[
                ("classification", "the target is one of several classes"),
                ("regression", "the target is a number"),
            ]),
            default: Default::Is("\"classification\""),
            meaning: "what is to be predicted; a number only from a CSV table",
            example: "\"regression\"",
            sources: &[],
        },
        Key {
            name: "target",
            kind: COLUMN,
            default: Default::Absent("the last column"),
            meaning: "the column to predict, by its name in the header or by its position counted from 1",
            example: "\"species\"",
            sources: &["csv"],
        },
        Key {
            name: "ignore",
            kind: COLUMNS,
            default: Default::Is("[]"),
            meaning: "columns that are no features, such as row numbers, by name or position",
            example: "[\"id\"]",
            sources: &["csv"],
        },
        Key {
            name: "categorical",
            kind: COLUMNS,
            default: Default::Is("[]"),
            meaning: "columns of numbers that stand for categories, such as postal codes; columns of words always do",
            example: "[\"month\"]",
            sources: &["csv"],
        },
        Key {
            name: "has_header",
            kind: Kind::Bool,
            default: Default::Is("true"),
            meaning: "whether the first row names the columns",
            example: "false",
            sources: &["csv"],
        },
        Key {
            name: "delimiter",
            kind: Kind::Character,
            default: Default::Is("\",\""),
            meaning: "the character between two columns, such as `;` or a tab (`\"\\t\"`)",
            example: "\";\"",
            sources: &["csv"],
        },
        Key {
            name: "missing",
            kind: Kind::Word(&[
                ("refuse", "stop and name the row and the column"),
                ("mean", "put in the column's mean over the training part, or its most frequent word"),
                ("drop", "leave the row out"),
            ]),
            default: Default::Is("\"refuse\""),
            meaning: "what to do with an empty cell",
            example: "\"mean\"",
            sources: &["csv"],
        },
        Key {
            name: "missing_markers",
            kind: Kind::List { of: &Kind::AnyText, min: 0, max: usize::MAX },
            default: Default::Is("[\"\", \"?\", \"NA\"]"),
            meaning: "the texts that stand for an empty cell",
            example: "[\"\", \"-999\"]",
            sources: &["csv"],
        },
        Key {
            name: "size",
            kind: Kind::List { of: &Kind::Integer { min: 1, max: 4096 }, min: 2, max: 2 },
            default: Default::Absent("must be given where the source is `images`"),
            meaning: "height and width that every picture is scaled to",
            example: "[32, 32]",
            sources: &["images"],
        },
        Key {
            name: "channels",
            kind: Kind::Word(&[
                ("rgb", "three channels: red, green and blue"),
                ("gray", "one channel: the brightness"),
            ]),
            default: Default::Is("\"rgb\""),
            meaning: "which channels a picture is read as",
            example: "\"gray\"",
            sources: &["images"],
        },
        Key {
            name: "normalize",
            kind: Kind::Bool,
            default: Default::From("true, but false for `xor`", normalize),
            meaning: "shifts and scales each feature (pictures: each channel) to mean 0 and standard deviation 1 \
                      over the training part",
            example: "false",
            sources: &[],
        },
        Key {
            name: "augmentation",
            kind: Kind::Table { keys: AUGMENTATION, short: "shift" },
            default: Default::Absent("training pictures are used as they are"),
            meaning: "random changes of each training picture, new ones in every epoch",
            example: "{ shift = 2, flip = true }",
            sources: &["digits", "fashion-mnist", "mnist", "idx", "images"],
        },
        Key {
            name: "seed",
            kind: Kind::Integer { min: 0, max: i64::MAX },
            default: Default::Is("0"),
            meaning: "the seed of the split, apart from `train.seed` so that runs from several seeds share one test part",
            example: "1",
            sources: &["digits", "fashion-mnist", "mnist", "idx", "csv", "images"],
        },
    ],
};

const COLUMN: Kind = Kind::Either(&[Kind::Text, Kind::Integer { min: 1, max: 1_000_000 }]);
const COLUMNS: Kind = Kind::List { of: &COLUMN, min: 0, max: usize::MAX };

static AUGMENTATION: &[Key] = &[
    Key {
        name: "shift",
        kind: Kind::Integer { min: 0, max: 1024 },
        default: Default::Is("0"),
        meaning: "moves the picture by up to so many pixels up or down and left or right",
        example: "2",
        sources: &[],
    },
    Key {
        name: "flip",
        kind: Kind::Bool,
        default: Default::Is("false"),
        meaning: "mirrors every second picture, drawn by chance, left to right",
        example: "true",
        sources: &[],
    },
];

fn test_fraction(root: &Table) -> Option<String> {
    let given = root.table("data").get("test").is_some();
    Some(if given { "0.0" } else { "0.2" }.to_owned())
}

fn validation_fraction(root: &Table) -> Option<String> {
    let early = root.table("train").get("early_stopping").is_some();
    Some(if early { "0.1" } else { "0.0" }.to_owned())
}

fn normalize(root: &Table) -> Option<String> {
    Some((root.table("data").text("source") != "xor").to_string())
}
