//! `schism doctor`: what this machine forbids, and the one command that helps.

use schism_lab::local::doctor::{Finding, examine};
use serde_json::{Value, json};

use super::say;
use crate::arguments::DoctorArguments;
use crate::judge;

/// Looks, and prints what it saw. The exit code is 0 if the local lab works here.
pub fn doctor(arguments: &DoctorArguments) -> i32 {
    let findings = examine();
    let lab = findings.first().is_some_and(|finding| finding.ok);
    if arguments.json {
        let findings: Value = findings.iter().map(to_json).collect();
        let all = json!({ "lab": lab, "findings": findings });
        say(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok " } else { "NO " };
            say(&format!("{mark} {:<11} {}", finding.name, finding.says));
            if let Some(remedy) = &finding.remedy {
                say(&format!("    try: {remedy}"));
            }
        }
        if lab {
            say("\nEverything is there. Try: schism run plans/quickstart.yaml");
        }
    }
    if lab { judge::UPHELD } else { judge::NOT_CARRIED_OUT }
}

fn to_json(finding: &Finding) -> Value {
    let Finding { name, ok, says, remedy } = finding;
    json!({ "name": name, "ok": ok, "says": says, "remedy": remedy })
}
