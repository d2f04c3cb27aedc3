//! How workloads read their options.

use schism_history::{OptionError, Options};

/// The largest weight of a mix.
const WEIGHT_MAX: u64 = 1_000_000;

/// The options in `value`, of which only the keys of `table` are allowed.
pub(crate) fn read<'a>(
    value: &'a serde_json::Value,
    table: &[(&str, &str)],
) -> Result<Options<'a>, OptionError> {
    let known: Vec<&str> = table.iter().map(|(key, _)| *key).collect();
    Options::read(value, &known)
}

/// How many keys are live at once: `keys`, 1 to 100,000.
pub(crate) fn keys(options: &Options<'_>, default: u32) -> Result<u32, OptionError> {
    Ok(options.count("keys", 1..=100_000)?.map_or(default, |keys| keys as u32))
}

/// The weights `mix` of `parts`. A mix that is given gives all of them: a part left out is 0.
pub(crate) fn mix<const N: usize>(
    options: &Options<'_>,
    parts: [&str; N],
    default: [u32; N],
) -> Result<[u32; N], OptionError> {
    let Some(mix) = options.part("mix", &parts)? else { return Ok(default) };
    let mut weights = [0; N];
    for (weight, part) in weights.iter_mut().zip(parts) {
        *weight = mix.count(part, 0..=WEIGHT_MAX)?.map_or(0, |weight| weight as u32);
    }
    if weights.iter().all(|&weight| weight == 0) {
        let problem = format!("`mix` is empty; give {} a weight above 0", parts.join(" or "));
        return Err(options.error("mix", problem));
    }
    Ok(weights)
}
