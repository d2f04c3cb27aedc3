//! How long everything takes.

use std::time::{Duration, Instant};

use schism_lab::{Command, End, LinkRules, NodeId};

use super::links::drops;
use super::scenarios::{Done, Nodes, SOON, text};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub(crate) async fn speed(nodes: &Nodes) -> Done {
    let lab = nodes.up().await?;
    let up = nodes.began.elapsed();
    let (hosts, network) = (lab.hosts(), lab.network());
    let mut runs = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        hosts[0].run(&Command::new(["true"]), SOON).await.map_err(text)?;
        runs.push(start.elapsed());
    }
    let ends: Vec<End> = (1..=5).map(|number| End::Node(NodeId(number))).collect();
    let halves = |one: &End, two: &End| (ends[..2].contains(one)) != (ends[..2].contains(two));
    let all = ends.iter().flat_map(|one| ends.iter().map(move |two| (*one, *two)));
    let links: Vec<(End, End)> = all.filter(|(one, two)| halves(one, two)).collect();
    let (mut cuts, mut heals) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let start = Instant::now();
        network.set(&drops(&links)).await.map_err(text)?;
        cuts.push(start.elapsed());
        let start = Instant::now();
        network.set(&LinkRules::default()).await.map_err(text)?;
        heals.push(start.elapsed());
    }
    let (run, cut, heal) = (median(runs), median(cuts), median(heals));
    let figures = format!("up {up:?}; run {run:?}, cut {cut:?}, heal {heal:?} (p50)");
    eprintln!("{figures}");
    // A machine that does other things at the same time is no judge of milliseconds: these bounds
    // are far above what is promised, and far below what a forgotten delay would cost.
    let slow = up > Duration::from_secs(30)
        || run > Duration::from_millis(250)
        || cut.max(heal) > Duration::from_secs(2);
    if slow { Err(figures) } else { Ok(()) }
}
