//! Damage of files at rest: what a plan asks for.

use std::fmt;

use serde::Serialize;

/// What is to become of a node's files; where exactly is drawn when they are at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// A pattern of their paths below the node's data folder.
    pub files: String,
    /// How many bits are flipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Flip>,
    /// Up to so many bytes are cut off from one of the files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
    /// Of the stream that draws the places.
    pub seed: u64,
}

/// How many bits are flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flip {
    /// So many on each node.
    Count(u32),
    /// Each with a chance of so many in a thousand million.
    Chance(u32),
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = &self.files;
        match self.flip {
            None => {}
            Some(Flip::Count(1)) => write!(formatter, "1 bit of {files} flipped")?,
            Some(Flip::Count(count)) => write!(formatter, "{count} bits of {files} flipped")?,
            Some(Flip::Chance(billionths)) => {
                let ppm = f64::from(billionths) / 1e3;
                write!(formatter, "each bit of {files} flipped with a chance of {ppm} ppm")?;
            }
        }
        match (self.flip, self.truncate) {
            (_, None) => Ok(()),
            (None, Some(most)) => write!(formatter, "up to {most} bytes of {files} cut off"),
            (Some(_), Some(most)) => write!(formatter, ", and up to {most} bytes cut off"),
        }
    }
}
