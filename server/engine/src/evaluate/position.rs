//! How far an evaluation is: what its checkpoint holds.

use candle_core::{Device, Tensor};
use retort_spec::{Attack, EvaluateSpec};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    attacks::{Course, Memory, parts},
    nn::{Named, StateFile},
    outcomes::standing,
};

const IMAGES: &str = "memory.images";
const MEMORY: &str = "memory";

/// How far an evaluation is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// What was answered to each test image without an attack, then under each attack; the last ones as far as they are.
    pub predictions: Vec<Vec<Option<u8>>>,
    /// By attack: the part of it that found the answer, counted from 1, or 0; empty where the attack is one.
    #[serde(default)]
    pub found_by: Vec<Vec<u8>>,
    /// How far the last attack is.
    #[serde(default)]
    pub course: Course,
    /// What it keeps of images.
    #[serde(skip)]
    pub memory: Memory,
    /// Passes made for images under attack, in units of a forward pass.
    #[serde(default)]
    pub spent: f64,
    /// Batches of the last attack that are done, as versions wrote that made all tries of one batch before the next.
    #[serde(default, skip_serializing)]
    batches: Option<usize>,
    /// Seconds of computing so far.
    pub seconds: f64,
}

impl Position {
    /// What a checkpoint holds. `robust` are the images that are answered rightly without an attack.
    pub(super) fn read(
        file: &StateFile,
        batch_size: usize,
        robust: impl Fn(&Self) -> Vec<usize>,
    ) -> Result<Self, String> {
        let mut at: Self = serde_json::from_str(&file.state).map_err(|e| e.to_string())?;
        at.memory = read_memory(file).map_err(|e| e.to_string())?;
        if let (Some(batches), false) = (at.batches, at.predictions.is_empty()) {
            at.course = Course::new(robust(&at).into_iter().skip(batches * batch_size).collect());
        }
        Ok(at)
    }

    /// Begins an attack that consists of so many parts.
    pub(super) fn begin(&mut self, course: Course, parts: usize) {
        let natural = self.predictions.first().cloned().unwrap_or_default();
        self.found_by.push(if parts > 1 { vec![0; natural.len()] } else { Vec::new() });
        self.predictions.push(natural);
        self.course = course;
        self.memory.clear();
    }

    /// The images that are to be tried next; none behind the last of so many tries, or where no image stands.
    pub(super) fn next(&self, most: usize, tries: usize) -> Option<Vec<usize>> {
        let next = self.course.next(most);
        (self.course.attempt < tries && !next.is_empty()).then(|| next.to_vec())
    }

    /// Notes what these images, whose turn it was, answered to this part of the attack.
    pub(super) fn advance(&mut self, batch: &[usize], labels: &[u8], part: usize) {
        let Some(answers) = self.predictions.last() else { return };
        let stands = |image: usize| answers[image] == Some(labels[image]);
        for image in batch.iter().filter(|image| !stands(**image)) {
            self.memory.remove(image);
            if let Some(found_by) = self.found_by.last_mut().and_then(|found_by| found_by.get_mut(*image)) {
                *found_by = part as u8 + 1;
            }
        }
        self.course.advance(batch.len(), stands);
    }

    /// How many images stood behind each part of the last attack.
    pub(super) fn standing(&self, attack: &Attack, labels: &[u8]) -> Vec<usize> {
        match (self.predictions.last(), self.found_by.last()) {
            (Some(answers), Some(found_by)) => standing(attack, found_by, answers, labels),
            _ => Vec::new(),
        }
    }

    /// It, to be written.
    pub(super) fn file(&self) -> Result<StateFile> {
        let mut tensors = Vec::new();
        if let Some(length) = self.memory.values().next().map(Vec::len) {
            let images: Vec<u32> = self.memory.keys().map(|image| *image as u32).collect();
            let (count, kept) = (images.len(), self.memory.values().flatten().copied().collect());
            tensors.push(Named { name: IMAGES.into(), tensor: Tensor::from_vec(images, count, &Device::Cpu)? });
            tensors.push(Named { name: MEMORY.into(), tensor: Tensor::from_vec(kept, (count, length), &Device::Cpu)? });
        }
        Ok(StateFile { tensors, state: serde_json::to_string(self).unwrap_or_default() })
    }
}

fn read_memory(file: &StateFile) -> candle_core::Result<Memory> {
    let named = |name: &str| file.tensors.iter().find(|named| named.name == name).map(|named| &named.tensor);
    let (Some(images), Some(kept)) = (named(IMAGES), named(MEMORY)) else { return Ok(Memory::new()) };
    let images = images.to_vec1::<u32>()?.into_iter().map(|image| image as usize);
    Ok(images.zip(kept.to_vec2::<u8>()?).collect())
}

/// What the attacks of an evaluation cost, in forward passes.
pub(super) struct Costs {
    /// By attack and try: the part, counted from 0, and the passes for one image.
    tries: Vec<Vec<(usize, f64)>>,
    /// The images that every attack begins with.
    images: f64,
}

impl Costs {
    /// Those of an evaluation of so many images.
    pub(super) fn of(spec: &EvaluateSpec, images: usize) -> Self {
        let tries = |attack: &Attack| {
            let parts = parts(attack).into_iter().enumerate();
            parts.flat_map(|(place, (part, tries))| vec![(place, part.passes() / tries as f64); tries]).collect()
        };
        Self { tries: spec.attacks.iter().map(tries).collect(), images: images as f64 }
    }

    /// The part of an attack that makes this try, counted from 0; the number of parts behind the last.
    pub(super) fn part(&self, attack: usize, attempt: usize) -> usize {
        let tries = &self.tries[attack];
        tries.get(attempt).or(tries.last()).map_or(0, |(part, _)| part + usize::from(attempt >= tries.len()))
    }

    /// The passes of this try for one image.
    pub(super) fn one(&self, attack: usize, attempt: usize) -> f64 {
        self.tries[attack].get(attempt).map_or(0.0, |(_, passes)| *passes)
    }

    /// The passes that are left of the part under way, and of all attacks, if every image that stands goes on standing.
    pub(super) fn left(&self, attack: usize, course: &Course) -> (f64, f64) {
        let part = self.part(attack, course.attempt);
        let (mut own, mut all) = (0.0, 0.0);
        for (attempt, (of, passes)) in self.tries[attack].iter().enumerate().skip(course.attempt) {
            let images = if attempt == course.attempt { course.waiting() } else { course.standing() };
            let passes = passes * images as f64;
            all += passes;
            own += if *of == part { passes } else { 0.0 };
        }
        let later: f64 = self.tries[attack + 1..].iter().flatten().map(|(_, passes)| passes).sum();
        (own, all + later * self.images)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{Architecture, DatasetChoice, DeviceName, ModelRef, PixelDistance};

    use super::*;
    use crate::{
        answers::answers,
        attacks::{Attacker, Starts, Try, testing::only},
        nn::Network,
        ops::testing,
        rng::Purpose,
    };

    fn spec(attacks: &str) -> EvaluateSpec {
        EvaluateSpec {
            model: ModelRef::File("m".into()),
            dataset: DatasetChoice::all_of("d"),
            attacks: attacks.split(',').map(|id| id.parse().unwrap()).collect(),
            batch_size: 20,
            seed: 1,
            device: DeviceName::Cpu,
        }
    }

    #[test]
    fn what_is_left_counts_the_images_that_stand() {
        let costs = Costs::of(&spec("pgd-10,pgd-10x2,autoattack"), 50);
        let (own, all) = costs.left(0, &Course::new((0..50).collect()));
        let auto = "autoattack".parse::<Attack>().unwrap();
        let auto: f64 = auto.parts().iter().map(Attack::passes).sum();
        let expected = 50.0 * (3.0 * 21.0 + auto);
        assert!((own - 50.0 * 21.0).abs() < 1e-6 && (all - expected).abs() < 1e-6, "{own} {all} {expected}");
        let mut course = Course::new((0..10).collect());
        assert_eq!([0, 1, 9, 10, 18, 19, 68, 69].map(|attempt| costs.part(2, attempt)), [0, 1, 1, 2, 2, 3, 3, 4]);
        course.attempt = 19;
        let (own, all) = costs.left(2, &course);
        assert!((own - all).abs() < 1e-6 && (own - 10.0 * 5_001.0).abs() < 1e-6, "{own} {all}");
    }

    #[test]
    fn a_position_reads_back_with_what_the_attack_keeps() {
        let memory = Memory::from([(3, vec![1, 2, 255]), (70_000, vec![4, 5, 6])]);
        let course = Course::new(vec![3, 70_000]);
        let at = Position { predictions: vec![vec![Some(1)]; 2], course, memory, spent: 7.0, ..Position::default() };
        let read = Position::read(&at.file().unwrap(), 20, |_| Vec::new()).unwrap();
        assert!(read.memory == at.memory && read.course == at.course && read.spent.to_bits() == 7f64.to_bits());
    }

    #[test]
    fn an_attack_that_is_left_off_behind_every_batch_finds_the_same() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (6, 3, 32, 32)).abs().unwrap();
        let labels: Vec<u8> =
            answers(&network.infer(&natural).unwrap().0).unwrap().into_iter().map(Option::unwrap).collect();
        for id in ["pgd-2x2", "fab-t-2", "square-250"] {
            let attack = id.parse::<Attack>().unwrap().with_eps(PixelDistance::levels(0.25));
            let starts = Starts { seed: 5, purpose: Purpose::Attack };
            let mut attacker = Attacker { attack: &attack, surrogate: None, starts };
            let mut found = |batch_size: usize, leave_off: bool| {
                let mut at =
                    Position { predictions: vec![labels.iter().copied().map(Some).collect()], ..Position::default() };
                at.begin(Course::new((0..6).collect()), 1);
                while let Some(batch) = at.next(batch_size, attacker.tries()) {
                    if leave_off {
                        at = Position::read(&at.file().unwrap(), batch_size, |_| Vec::new()).unwrap();
                    }
                    let images = only((&natural, &labels, &[0, 1, 2, 3, 4, 5]), &batch);
                    let with = Try { attempt: at.course.attempt, memory: &mut at.memory };
                    for (place, answer) in batch.iter().zip(attacker.answers(&mut network, images, with).unwrap()) {
                        at.predictions[1][*place] = answer;
                    }
                    at.advance(&batch, &labels, 0);
                }
                (at.predictions, at.memory)
            };
            let whole = found(6, false);
            assert_eq!(whole, found(4, true), "{attack}");
            // What Square keeps is every pixel and the margin: it would not be the same had it begun anew.
            assert_eq!(whole.1.is_empty(), id != "square-250", "{attack}");
        }
    }

    #[test]
    fn a_position_of_earlier_versions_goes_on_behind_its_last_batch() {
        for (batches, rest) in [(0, 0..50), (2, 40..50), (3, 0..0)] {
            let state = format!(r#"{{"predictions":[[0,1,1],[0,1,0]],"batches":{batches},"seconds":1.5}}"#);
            let file = StateFile { tensors: Vec::new(), state };
            let read = Position::read(&file, 20, |_| (0..50).collect()).unwrap();
            assert_eq!(read.course, Course::new(rest.collect()));
        }
    }
}
