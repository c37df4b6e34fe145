//! What a model answered to every test image, without an attack and under each: so that any two models or attacks can be
//! compared image by image.

use std::path::Path;

use candle_core::{Device, Tensor};
use retort_spec::{Accuracy, Attack, DatasetChoice};
use serde::{Deserialize, Serialize};

use crate::{
    EngineError, Result,
    nn::{Named, StateFile},
};

/// The answers of one evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// The names of the classes; labels and answers are indices into them.
    pub classes: Vec<String>,
    /// The dataset whose test images were shown, in their order.
    pub dataset: DatasetChoice,
    /// By image: its class.
    pub labels: Vec<u8>,
    /// By attack, the first without one: what was answered to each image; none where the logits were not finite.
    pub predictions: Vec<(Option<Attack>, Vec<Option<u8>>)>,
    /// By attack that consists of several: which of them found the answer to each image, counted from 1; 0 where none did.
    pub found_by: Vec<(Attack, Vec<u8>)>,
}

/// What stands beside the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    classes: Vec<String>,
    dataset: DatasetChoice,
    attacks: Vec<Option<Attack>>,
}

const LABELS: &str = "labels";
const PREDICTIONS: &str = "predictions";
const UNANSWERED: &str = "unanswered";
const FOUND_BY: &str = "found_by";

impl Outcomes {
    /// Writes the file, replacing an older one as a whole: `labels` `[N]` and `predictions` `[attacks, N]`, bytes. Where there
    /// are images without an answer, `unanswered` `[attacks, N]` is 1 for them. Of those attacks that consist of several,
    /// `found_by` `[such attacks, N]` tells which found the answer.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let (n, attacks) = (self.labels.len(), self.predictions.len());
        let header = Header {
            classes: self.classes.clone(),
            dataset: self.dataset.clone(),
            attacks: self.predictions.iter().map(|(attack, _)| attack.clone()).collect(),
        };
        let all: Vec<Option<u8>> = self.predictions.iter().flat_map(|(_, answers)| answers.iter().copied()).collect();
        let predictions = all.iter().map(|answer| answer.unwrap_or_default()).collect();
        let mut tensors = vec![(LABELS, self.labels.clone(), vec![n]), (PREDICTIONS, predictions, vec![attacks, n])];
        if all.contains(&None) {
            let unanswered = all.iter().map(|answer| u8::from(answer.is_none())).collect();
            tensors.push((UNANSWERED, unanswered, vec![attacks, n]));
        }
        if !self.found_by.is_empty() {
            let found_by = self.found_by.iter().flat_map(|(_, found_by)| found_by.iter().copied()).collect();
            tensors.push((FOUND_BY, found_by, vec![self.found_by.len(), n]));
        }
        let named = |(name, values, shape): (&str, Vec<u8>, Vec<usize>)| {
            Ok(Named { name: name.to_owned(), tensor: Tensor::from_vec(values, shape, &Device::Cpu)? })
        };
        let tensors = tensors.into_iter().map(named).collect::<Result<_>>()?;
        let state = serde_json::to_string(&header).map_err(|e| EngineError::io(path, e.into()))?;
        StateFile { tensors, state }.save(path)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing, damaged, or its parts do not fit together.
    pub fn load(path: &Path) -> Result<Self> {
        let fault = |fault: String| EngineError::Model { path: path.to_owned(), fault };
        let file = StateFile::load(path, &Device::Cpu)?;
        let Header { classes, dataset, attacks } =
            serde_json::from_str(&file.state).map_err(|e| fault(format!("these are no outcomes ({e})")))?;
        let bytes = |name: &str| -> Result<Vec<u8>> {
            let named = file.tensors.iter().find(|named| named.name == name);
            let tensor = &named.ok_or_else(|| fault(format!("the tensor {name} is missing")))?.tensor;
            Ok(tensor.flatten_all()?.to_vec1::<u8>()?)
        };
        let (labels, answers) = (bytes(LABELS)?, bytes(PREDICTIONS)?);
        let has = |name: &str| file.tensors.iter().any(|named| named.name == name);
        let unanswered = if has(UNANSWERED) { bytes(UNANSWERED)? } else { vec![0; answers.len()] };
        let found_by = if has(FOUND_BY) { bytes(FOUND_BY)? } else { Vec::new() };
        let known = |class: &u8| usize::from(*class) < classes.len();
        let fits = answers.len() == labels.len() * attacks.len() && unanswered.len() == answers.len();
        if !fits || !labels.iter().chain(&answers).all(known) {
            return Err(fault("its labels, predictions and classes do not fit together".into()));
        }
        let answers: Vec<Option<u8>> =
            answers.into_iter().zip(unanswered).map(|(answer, none)| (none == 0).then_some(answer)).collect();
        let rows = answers.chunks(labels.len().max(1)).map(<[_]>::to_vec);
        let of_several = attacks.iter().flatten().filter(|attack| !attack.parts().is_empty()).cloned();
        let found_by = of_several.zip(found_by.chunks_exact(labels.len().max(1)).map(<[_]>::to_vec)).collect();
        let predictions = attacks.into_iter().zip(rows).collect();
        Ok(Self { classes, dataset, labels, predictions, found_by })
    }

    /// What was answered under an attack, or without one; none if that is not among them.
    pub fn under(&self, attack: Option<&Attack>) -> Option<&[Option<u8>]> {
        let found = self.predictions.iter().find(|(of, _)| of.as_ref() == attack);
        found.map(|(_, answers)| answers.as_slice())
    }

    /// The share of images that are answered correctly under an attack, given by its place.
    pub fn accuracy(&self, attack: usize) -> Accuracy {
        let pairs = self.predictions[attack].1.iter().zip(&self.labels);
        let correct = pairs.filter(|(answer, label)| **answer == Some(**label)).count();
        Accuracy { correct, n: self.labels.len() }
    }

    /// How many images were still answered rightly behind each of the attacks of which this one consists; empty where it is one, or
    /// was not made.
    pub fn standing(&self, attack: &Attack) -> Vec<usize> {
        let found_by = self.found_by.iter().find(|(of, _)| of == attack);
        match (self.under(Some(attack)), found_by) {
            (Some(answers), Some((_, found_by))) => standing(attack, found_by, answers, &self.labels),
            _ => Vec::new(),
        }
    }

    /// By class and answer: how many images of the class were answered so under an attack, given by its place. If some have
    /// no answer, a last column counts them.
    pub fn confusion(&self, attack: usize) -> Vec<Vec<usize>> {
        let answers = &self.predictions[attack].1;
        let columns = self.classes.len() + usize::from(answers.contains(&None));
        let mut counts = vec![vec![0; columns]; self.classes.len()];
        for (label, answer) in self.labels.iter().zip(answers) {
            counts[usize::from(*label)][answer.map_or(self.classes.len(), usize::from)] += 1;
        }
        counts
    }

    /// By class: the accuracy under an attack, given by its place.
    pub fn by_class(&self, attack: usize) -> Vec<Accuracy> {
        let row = |(class, row): (usize, &Vec<usize>)| Accuracy { correct: row[class], n: row.iter().sum() };
        self.confusion(attack).iter().enumerate().map(row).collect()
    }

    /// The share of images that are answered correctly without an attack and under each.
    pub fn worst_case(&self) -> Accuracy {
        let right =
            |(place, label): (usize, &u8)| self.predictions.iter().all(|(_, answers)| answers[place] == Some(*label));
        Accuracy { correct: self.labels.iter().enumerate().filter(|image| right(*image)).count(), n: self.labels.len() }
    }
}

/// How many images stood behind each part of an attack, by which part found the answer to each, and the answer.
pub(crate) fn standing(attack: &Attack, found_by: &[u8], answers: &[Option<u8>], labels: &[u8]) -> Vec<usize> {
    let images = || found_by.iter().zip(answers.iter().zip(labels));
    let stands = |part: usize, (by, (answer, label)): (&u8, (&Option<u8>, &u8))| match usize::from(*by) {
        0 => *answer == Some(*label),
        by => by > part + 1,
    };
    (0..attack.parts().len()).map(|part| images().filter(|image| stands(part, *image)).count()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(answers: &[[u8; 4]]) -> Outcomes {
        let attacks = std::iter::once(None).chain([1, 20].map(|steps| Some(Attack::pgd(steps))));
        Outcomes {
            classes: vec!["cat".into(), "dog".into()],
            dataset: DatasetChoice::all_of("pets"),
            labels: vec![0, 0, 1, 1],
            predictions: attacks.zip(answers.iter().map(|a| a.map(Some).to_vec())).collect(),
            found_by: Vec::new(),
        }
    }

    #[test]
    fn outcomes_read_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outcomes.safetensors");
        let written = outcomes(&[[0, 0, 1, 0], [1, 0, 0, 0]]);
        written.save(&path).unwrap();
        assert_eq!(Outcomes::load(&path).unwrap(), written);
        let names = |path| StateFile::load(path, &Device::Cpu).unwrap().tensors.into_iter().map(|n| n.name);
        assert!(names(&path).all(|name| name != UNANSWERED));
        let mut broken = written;
        broken.predictions[1].1[2] = None;
        broken.save(&path).unwrap();
        assert_eq!(Outcomes::load(&path).unwrap(), broken);
    }

    #[test]
    fn which_part_of_an_attack_found_an_answer_is_kept_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outcomes.safetensors");
        let attack: Attack = "autoattack".parse().unwrap();
        let mut written = outcomes(&[[0, 0, 1, 0], [1, 0, 0, 0]]);
        written.predictions[1].0 = Some(attack.clone());
        written.found_by = vec![(attack.clone(), vec![2, 0, 4, 0])];
        written.save(&path).unwrap();
        let read = Outcomes::load(&path).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.standing(&attack), [3, 2, 2, 1]);
        assert!(read.standing(&Attack::pgd(20)).is_empty());
    }

    #[test]
    fn an_image_without_an_answer_is_right_nowhere_and_has_a_column_of_its_own() {
        let mut outcomes = outcomes(&[[0, 0, 1, 0], [0, 0, 0, 0]]);
        // The number that stands for it in the file is that of the class.
        outcomes.predictions[1].1[0] = None;
        assert_eq!(outcomes.confusion(0), [[2, 0], [1, 1]]);
        assert_eq!(outcomes.confusion(1), [[1, 0, 1], [2, 0, 0]]);
        assert_eq!(outcomes.by_class(1), [Accuracy { correct: 1, n: 2 }, Accuracy { correct: 0, n: 2 }]);
        assert_eq!(outcomes.worst_case(), Accuracy { correct: 1, n: 4 });
    }

    #[test]
    fn the_confusion_matrix_counts_by_class_and_answer() {
        let outcomes = outcomes(&[[0, 0, 1, 0], [1, 0, 0, 0]]);
        assert_eq!(outcomes.confusion(0), [[2, 0], [1, 1]]);
        assert_eq!(outcomes.confusion(1), [[1, 1], [2, 0]]);
        assert_eq!(outcomes.worst_case(), Accuracy { correct: 1, n: 4 });
        assert_eq!(outcomes.by_class(1), [Accuracy { correct: 1, n: 2 }, Accuracy { correct: 0, n: 2 }]);
    }
}
