//! What a model answered to the test images, by class.

use retort_spec::Accuracy;

use crate::format;

/// The answers of one evaluation, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// By attack or by model, named: how many images of each class were answered so. A column more than classes counts those
    /// without an answer.
    pub confusion: Vec<(String, Vec<Vec<usize>>)>,
    /// Images that are right under every attack, where there are several.
    pub worst_case: Option<Accuracy>,
}

/// A confusion matrix as a page shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    /// The attack, or the model.
    pub title: String,
    /// The heads of the columns: the classes, and the images without an answer where there are such.
    pub answers: Vec<String>,
    /// By class: its name, and a cell for each answer.
    pub rows: Vec<(String, Vec<ConfusionCell>)>,
}

/// One cell of a confusion matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionCell {
    /// Percent of the class's images, rounded; empty for none.
    pub percent: String,
    /// In words: `cat answered as dog: 12 of 100`.
    pub words: String,
    /// How deep its colour is, from 0 to 10.
    pub shade: usize,
    /// Whether the answer is the class.
    pub is_right: bool,
}

/// A mistake that was made often.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The class.
    pub class: String,
    /// What was answered.
    pub answer: String,
    /// How often, of the class's images: `12 of 100`.
    pub count: String,
}

/// The largest number of classes whose confusion matrix a page has room for.
const MOST_CLASSES: usize = 20;
/// Mistakes that stand in for the matrix of more classes.
const MISTAKES: usize = 10;

impl Answers {
    /// The heads of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.confusion.iter().map(|(title, _)| title.clone()).collect()
    }

    /// By class: its name, its images, and its accuracy in percent by column.
    pub fn by_class<'a>(&'a self) -> Vec<(&'a str, usize, Vec<String>)> {
        let row = |(class, name): (usize, &'a String)| {
            let cells = self.confusion.iter().map(|(_, counts)| {
                let accuracy = Accuracy { correct: counts[class][class], n: counts[class].iter().sum() };
                format::percent(accuracy.percent())
            });
            let images = self.confusion.first().map_or(0, |(_, counts)| counts[class].iter().sum());
            (name.as_str(), images, cells.collect())
        };
        self.classes.iter().enumerate().map(row).collect()
    }

    /// The confusion matrices, where the classes are few enough to look at them.
    pub fn matrices(&self) -> Vec<ConfusionMatrix> {
        if self.classes.len() > MOST_CLASSES {
            return Vec::new();
        }
        let matrix = |(title, counts): &(String, Vec<Vec<usize>>)| ConfusionMatrix {
            title: title.clone(),
            answers: (0..counts.first().map_or(0, Vec::len)).map(|place| self.answer(place).to_owned()).collect(),
            rows: self
                .classes
                .iter()
                .enumerate()
                .map(|(class, name)| (name.clone(), self.cells(class, counts)))
                .collect(),
        };
        self.confusion.iter().map(matrix).collect()
    }

    /// The answer that a column counts.
    fn answer(&self, column: usize) -> &str {
        self.classes.get(column).map_or("no answer", String::as_str)
    }

    fn cells(&self, class: usize, counts: &[Vec<usize>]) -> Vec<ConfusionCell> {
        let n: usize = counts[class].iter().sum();
        let cell = |(answer, count): (usize, &usize)| {
            let share = *count as f64 / n.max(1) as f64;
            ConfusionCell {
                percent: if *count == 0 { String::new() } else { format!("{:.0}", 100.0 * share) },
                words: format!("{} answered as {}: {count} of {n}", self.classes[class], self.answer(answer)),
                // A single image is to be seen.
                shade: if *count == 0 { 0 } else { ((10.0 * share).round() as usize).max(1) },
                is_right: answer == class,
            }
        };
        counts[class].iter().enumerate().map(cell).collect()
    }

    /// By attack or model: the most frequent mistakes, where there are too many classes for matrices.
    pub fn mistakes(&self) -> Vec<(String, Vec<Mistake>)> {
        if self.classes.len() <= MOST_CLASSES {
            return Vec::new();
        }
        let list = |(title, counts): &(String, Vec<Vec<usize>>)| {
            let mut wrong: Vec<(usize, usize, usize)> = Vec::new();
            for (class, row) in counts.iter().enumerate() {
                let mistakes = row.iter().enumerate().filter(|(answer, count)| *answer != class && **count > 0);
                wrong.extend(mistakes.map(|(answer, count)| (*count, class, answer)));
            }
            wrong.sort_by_key(|(count, class, answer)| (usize::MAX - count, *class, *answer));
            let mistake = |&(count, class, answer): &(usize, usize, usize)| Mistake {
                class: self.classes[class].clone(),
                answer: self.answer(answer).to_owned(),
                count: format!("{count} of {}", counts[class].iter().sum::<usize>()),
            };
            (title.clone(), wrong.iter().take(MISTAKES).map(mistake).collect())
        };
        self.confusion.iter().map(list).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(classes: usize, counts: Vec<Vec<usize>>) -> Answers {
        let classes = (0..classes).map(|i| format!("class {i}")).collect();
        Answers { classes, confusion: vec![("natural".into(), counts)], worst_case: None }
    }

    #[test]
    fn a_class_has_its_accuracy_and_its_cells_their_share_of_it() {
        let answers = answers(2, vec![vec![3, 1], vec![0, 1_000]]);
        assert_eq!(answers.by_class()[0], ("class 0", 4, vec!["75.00".to_owned()]));
        let matrix = &answers.matrices()[0];
        let cell = &matrix.rows[0].1[1];
        assert_eq!((cell.percent.as_str(), cell.shade, cell.is_right), ("25", 3, false));
        assert_eq!(cell.words, "class 0 answered as class 1: 1 of 4");
        assert_eq!((matrix.rows[1].1[0].percent.as_str(), matrix.rows[1].1[0].shade), ("", 0));
        assert!(answers.mistakes().is_empty());
    }

    #[test]
    fn images_without_an_answer_have_a_column_of_their_own_and_are_wrong() {
        let answers = answers(2, vec![vec![3, 1, 0], vec![0, 2, 2]]);
        assert_eq!(answers.by_class()[1], ("class 1", 4, vec!["50.00".to_owned()]));
        let matrix = &answers.matrices()[0];
        assert_eq!(matrix.answers, ["class 0", "class 1", "no answer"]);
        let cell = &matrix.rows[1].1[2];
        assert_eq!((cell.words.as_str(), cell.is_right), ("class 1 answered as no answer: 2 of 4", false));
    }

    #[test]
    fn many_classes_have_their_most_frequent_mistakes_instead_of_a_matrix() {
        let mut counts = vec![vec![0; 30]; 30];
        (counts[4][4], counts[4][7], counts[9][4]) = (10, 5, 6);
        let answers = answers(30, counts);
        assert!(answers.matrices().is_empty());
        let (title, mistakes) = &answers.mistakes()[0];
        let said: Vec<_> = mistakes.iter().map(|m| format!("{} {} {}", m.class, m.answer, m.count)).collect();
        assert_eq!(
            (title.as_str(), said.as_slice()),
            ("natural", &["class 9 class 4 6 of 6".to_owned(), "class 4 class 7 5 of 15".into()][..])
        );
    }
}
