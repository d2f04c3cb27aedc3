//! The valid word that a mistyped one is nearest to.

use schism_history::{OptionError, Options};
use serde_json::Value;

/// "; did you mean `leader`?" for `leadr`; nothing where no valid word is near.
pub(crate) fn did_you_mean(word: &str, valid: &[&str]) -> String {
    let distances = valid.iter().map(|valid| (strsim::damerau_levenshtein(word, valid), *valid));
    let nearest = distances.min_by_key(|(distance, _)| *distance);
    match nearest.filter(|(distance, valid)| *distance <= valid.len().max(3) / 2) {
        Some((_, valid)) => format!("; did you mean `{valid}`?"),
        None => String::new(),
    }
}

/// The options in `value`; what is said of an unknown key names the nearest of those `known`.
pub(crate) fn read_options<'a>(
    value: &'a Value,
    known: &[&str],
) -> Result<Options<'a>, OptionError> {
    Options::read(value, known).map_err(|mut error| {
        if let Some(key) = error.path.last() {
            error.problem += &did_you_mean(key, known);
        }
        error
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_a_word_that_is_near_and_no_other() {
        let check = |word: &str, expected: &str| {
            assert_eq!(did_you_mean(word, &["leader", "one", "all", "at"]), expected, "{word}");
        };
        check("leadr", "; did you mean `leader`?");
        check("laeder", "; did you mean `leader`?");
        check("att", "; did you mean `at`?");
        check("everybody", "");
    }

    #[test]
    fn names_the_nearest_option() {
        let given = json!({ "isolat": "one" });
        let error = read_options(&given, &["isolate", "clients"]).expect_err("it is misspelt");
        assert!(error.problem.ends_with("did you mean `isolate`?"), "{error}");
    }
}
