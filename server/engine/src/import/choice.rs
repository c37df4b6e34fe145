//! Which of the networks in a file is meant.

use retort_spec::Architecture;

use super::{
    NormaliserChoice, Wanted,
    candidates::{Found, Standing},
    description::{Candidate, NearMiss, place},
    fit::{SEPARATORS, bare},
    torch,
};

/// The network that is meant: the one that was named, else the only one.
///
/// # Errors
/// In words that follow the file's name: what there is to choose from and how, or what it is nearest to.
pub fn choose(found: Found, wanted: &Wanted) -> Result<Standing, String> {
    let Found { mut standing, mut misses } = found;
    let asked = wanted.architecture;
    let path = wanted.weights.as_deref().map(str::trim).filter(|path| !path.is_empty());
    if let Some(path) = path {
        let (all, has_networks) = (list(&standing), !standing.is_empty());
        let named = plain(path);
        // As it is printed it is one place; otherwise wrappers do not count.
        let is_it = |name: &str| name == path || !name.is_empty() && name == path.trim_end_matches(SEPARATORS);
        let is_exact =
            |of: &Candidate| [of.name(), of.place(), of.path.clone()].iter().chain(&of.same_as).any(|name| is_it(name));
        let is_named = |of: &Candidate| plain(&of.path) == named || of.same_as.iter().any(|same| plain(same) == named);
        let is_around = |of: &Candidate| plain(&of.container.join(".")) == named;
        let is_within = |of: &Candidate| is_inside(&plain(&of.path), &named);
        let ways: [&dyn Fn(&Candidate) -> bool; 4] = [&is_exact, &is_named, &is_around, &is_within];
        let way = ways.into_iter().find(|way| standing.iter().any(|one| way(&one.candidate)));
        standing.retain(|one| way.is_some_and(|way| way(&one.candidate)));
        if standing.is_empty() {
            let miss = misses.iter().find(|miss| is_inside(&plain(&miss.path), &named));
            let fault = miss.map_or_else(
                || format!("there are no weights of a network at {}", place(path)),
                |miss| fault(miss, asked),
            );
            return Err(match (miss, has_networks) {
                (None, false) => format!("{fault}; {}", no_network(&misses, asked)),
                (Some(_), false) => fault,
                (None, true) => format!("{fault}, but at: {all}"),
                (Some(_), true) => format!("{fault}. A network stands at: {all}"),
            });
        }
        misses.retain(|miss| is_inside(&plain(&miss.path), &named));
    }
    if standing.is_empty() {
        return Err(no_network(&misses, asked));
    }
    // What the architecture or the classes tell needs no question.
    if let Some(architecture) = asked {
        if standing.iter().all(|one| one.candidate.architecture != architecture) {
            let what = path.map_or_else(|| "it".into(), |path| format!("what stands at {}", place(path)));
            return Err(format!("{what} {}", not_of(architecture, &standing, &misses)));
        }
        standing.retain(|one| one.candidate.architecture == architecture);
    }
    let has_classes = |one: &Standing| one.candidate.classes == wanted.classes.len();
    if standing.iter().any(has_classes) {
        standing.retain(has_classes);
    }
    let (count, all, unclear) = (standing.len(), list(&standing), unclear_normalisers(&standing, wanted));
    match standing.pop() {
        Some(only) if count == 1 => Ok(only),
        _ => Err(format!(
            "it holds {count} networks: {all}; name the one that you want, in the form or by --weights PATH{unclear}"
        )),
    }
}

/// What an import would ask next, once the network is named: words that follow the question which it is.
fn unclear_normalisers(standing: &[Standing], wanted: &Wanted) -> String {
    if wanted.normaliser != NormaliserChoice::AsKeysTell {
        return String::new();
    }
    let mut unclear: Vec<&str> =
        standing.iter().filter_map(|one| one.candidate.unclear_normaliser.as_deref()).collect();
    unclear.dedup();
    if unclear.is_empty() {
        return String::new();
    }
    format!(", and its normaliser, or none, by --normaliser, as {}", unclear.join("; "))
}

/// Whether a place is another one or inside it.
fn is_inside(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|inner| inner.is_empty() || inner.starts_with('.'))
}

/// A place as it is compared: however it is written.
fn plain(path: &str) -> String {
    if path == place("") {
        return String::new();
    }
    bare(path.strip_prefix("entry ").unwrap_or(path).trim_end_matches(SEPARATORS))
}

/// Which other networks of a file can be taken where the numbers of one cannot be: words that follow its fault.
pub fn instead(broken: &Candidate, whole: &[Candidate]) -> String {
    let is_like = |one: &&Candidate| (one.architecture, one.classes) == (broken.architecture, broken.classes);
    let others: Vec<String> =
        whole.iter().filter(is_like).map(|one| format!("{} (--weights {})", one.place(), one.name())).collect();
    if others.is_empty() { String::new() } else { format!(". Whole is what stands at {}", others.join(" or ")) }
}

/// Why there is no network of an architecture that was asked for, and what differs in what comes near: words that follow
/// what holds none.
fn not_of(architecture: Architecture, standing: &[Standing], misses: &[NearMiss]) -> String {
    let words = |one: &Standing| {
        let of = &one.candidate;
        let at = if of.path.is_empty() { "in" } else { "at" };
        format!("a {} of {} classes {at} {}", of.architecture, of.classes, of.place())
    };
    let all = standing.iter().map(words).collect::<Vec<_>>().join(", ");
    let near = misses.iter().find_map(|miss| {
        let nearest = miss.nearest.as_ref().filter(|nearest| nearest.architecture == architecture)?;
        Some(format!(". What stands at {} comes near, but {nearest}{}", place(&miss.path), meaning(miss)))
    });
    format!(
        "holds no {architecture}, but {all}: leave the architecture out, or name one that is there{}",
        near.unwrap_or_default()
    )
}

/// Why a file without a network cannot be imported.
fn no_network(misses: &[NearMiss], asked: Option<Architecture>) -> String {
    misses.first().map_or_else(|| format!("it holds no weights: {}", torch::SAVE), |miss| fault(miss, asked))
}

/// Why weights cannot be imported: what that means, where it is known, and what differs from the nearest
/// network or the one that was asked for.
fn fault(miss: &NearMiss, asked: Option<Architecture>) -> String {
    let it = if miss.path.is_empty() { "it".to_owned() } else { format!("what stands at {}", place(&miss.path)) };
    let nearest = match &miss.nearest {
        Some(miss) if Some(miss.architecture) == asked => {
            format!("compared with {}, as was asked, {miss}", miss.architecture)
        }
        Some(miss) => format!("the nearest is {}, but {miss}", miss.architecture),
        None => miss.first_tensors(),
    };
    match (&miss.meaning, &miss.nearest) {
        (Some(meaning), _) => format!("{it} fits no network of Retort. {meaning}. In detail: {nearest}"),
        (None, Some(_)) => format!("{it} fits no network of Retort; {nearest}"),
        (None, None) => {
            let known = Architecture::ALL.map(Architecture::title).join(", ");
            format!("{it} fits no network of Retort ({known}): {nearest}")
        }
    }
}

fn meaning(miss: &NearMiss) -> String {
    miss.meaning.as_ref().map(|meaning| format!(". {meaning}")).unwrap_or_default()
}

/// What there is to choose from.
fn list(standing: &[Standing]) -> String {
    let words = |one: &Standing| {
        let of = &one.candidate;
        let average = if of.is_average { ", an average over training steps (EMA or SWA) by its name" } else { "" };
        let differing =
            of.differing.map(|count| format!(", {count} tensors differ from the first")).unwrap_or_default();
        let fault = if of.fault.is_some() { ", which cannot be imported" } else { "" };
        // Every place is printed as it is named.
        let name =
            if of.path.is_empty() { format!("{} ({}, ", of.name(), of.place()) } else { format!("{} (", of.place()) };
        format!("{name}{} of {} classes{average}{differing}{fault})", of.architecture, of.classes)
    };
    standing.iter().map(words).collect::<Vec<_>>().join("; ")
}
