//! What arrays hold, put together to a dataset.

use std::collections::BTreeMap;

use super::labels::Labels;
use crate::{
    EngineError, Result,
    data::{
        dataset::{Dataset, Split},
        images::{Change, Changes, Fault, Faults},
        import::{Import, check_class_count, named_classes, numbered_classes},
        report::{self, Finding, ImportReport},
        split_name::{Part, words},
    },
};

/// Words in the name of an array of text that names the classes: `class_names`, `categories`.
const OF_CLASSES: [&str; 4] = ["names", "classes", "categories", "meanings"];

/// The names that arrays usually have. Beside them stand others of the same shape: a mean, predictions, noisy labels.
const USUAL: [&str; 22] = [
    "x_train",
    "y_train",
    "x_test",
    "y_test",
    "x_val",
    "y_val",
    "train_images",
    "train_labels",
    "test_images",
    "test_labels",
    "val_images",
    "val_labels",
    "x",
    "y",
    "data",
    "images",
    "image",
    "labels",
    "label",
    "targets",
    "target",
    "features",
];
/// The arrays of CIFAR-10-C and CIFAR-100-C (Hendrycks and Dietterich, arXiv:1903.12261).
const CORRUPTIONS: [&str; 19] = [
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_blur",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "jpeg_compression",
    "motion_blur",
    "pixelate",
    "saturate",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "zoom_blur",
];
const BESIDE: &str = "arrays beside those with the usual names";

/// The images of an array.
#[derive(Default)]
pub(super) struct Images {
    pub count: usize,
    /// The planes of all of them; empty where there is a fault.
    pub planes: Vec<u8>,
    /// What was done to each of them.
    pub changes: Vec<Change>,
    /// Why none of them can be taken.
    pub fault: Option<Fault>,
    /// How rows of 3,072 numbers were read, where each image was one.
    pub rows: Option<&'static str>,
}

/// Something that was read, and the name of its array for people: `train.npz/images`.
struct Array<T> {
    name: String,
    content: T,
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Found {
    /// Whether test images are held out where there are none.
    pub holds_out: bool,
    images: BTreeMap<Option<Part>, Array<Images>>,
    labels: BTreeMap<Option<Part>, Array<Labels>>,
    class_names: Option<Array<Vec<String>>>,
    /// The names of arrays that hold neither numbers nor text, and what they hold.
    pub unread: Vec<(String, String)>,
    /// Arrays that can be neither images nor labels, with their shapes.
    shapeless: Vec<(String, String)>,
    report: ImportReport,
}

/// The images and labels of a part.
type Pair = (Array<Images>, Array<Labels>);

impl Found {
    /// Adds the images of an array.
    ///
    /// # Errors
    /// When there are others of the same part.
    pub fn add_images(&mut self, name: &str, content: Images) -> Result<()> {
        add(&mut self.images, &mut self.report.left_out, "images", name, content)
    }

    /// Adds labels, or the names of the classes where an array of text is called so.
    ///
    /// # Errors
    /// When there are others of the same part.
    pub fn add_labels(&mut self, name: &str, content: Labels) -> Result<()> {
        match content {
            Labels::Names(content) if words(last(name)).any(|word| OF_CLASSES.contains(&word.as_str())) => {
                if let Some(other) = &self.class_names {
                    return refuse(&format!("both {} and {name} would name the classes: keep one of them", other.name));
                }
                self.class_names = Some(Array { name: name.to_owned(), content });
                Ok(())
            }
            content => add(&mut self.labels, &mut self.report.left_out, "labels", name, content),
        }
    }

    /// Takes note of an array that can be neither images nor labels.
    pub fn shapeless(&mut self, name: &str, shape: &[usize]) {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        self.shapeless.push((name.to_owned(), shape.join(" × ")));
    }

    /// Puts images and labels together.
    ///
    /// # Errors
    /// When images or labels are missing, do not belong together, or cannot be taken.
    pub fn import(mut self) -> Result<Import> {
        // What no name tells is for training, unless something else is.
        if !self.images.contains_key(&Some(Part::Train)) {
            if let Some(images) = self.images.remove(&None) {
                self.images.insert(Some(Part::Train), images);
            }
            if let Some(labels) = self.labels.remove(&None) {
                self.labels.entry(Some(Part::Train)).or_insert(labels);
            }
        }
        let Some(train) = self.take(Part::Train)? else {
            let has_tests = self.images.keys().any(|part| *part == Some(Part::Test));
            let beside = if has_tests {
                "there are images to test on, but none to train on"
            } else {
                "there are no images to train on"
            };
            return refuse(&format!(
                "{beside}: an array of N × 32 × 32 × 3 bytes, named x_train or images{}",
                self.shapes()
            ));
        };
        let mut test = self.take(Part::Test)?;
        if test.is_none() {
            test = self.take(Part::Validation)?;
            if let Some((images, _)) = &test {
                self.report.notes.push(format!("The test images were taken from {}.", images.name));
            }
        }
        let (images, labels): (Vec<_>, Vec<_>) = [Some(train), test].into_iter().flatten().unzip();
        self.tell(&images)?;
        let (classes, labels) = self.classes(labels)?;
        for (what, names) in [
            ("arrays that hold neither images nor labels", std::mem::take(&mut self.unread)),
            ("arrays that are neither images nor labels by their shape", std::mem::take(&mut self.shapeless)),
        ] {
            for (name, _) in names {
                report::count(&mut self.report.left_out, what, &name);
            }
        }
        let others = self.images.values().map(|array| &array.name).chain(self.labels.values().map(|array| &array.name));
        for name in others.chain(self.class_names.iter().map(|array| &array.name)) {
            report::count(&mut self.report.left_out, "arrays of other parts", name);
        }
        let of_images = images.into_iter().map(|array| array.content.planes);
        let mut splits = of_images.zip(labels).map(|(images, labels)| Split { images, labels });
        let (train, test) = (splits.next().unwrap_or_default(), splits.next().unwrap_or_default());
        Ok(Import { dataset: Dataset { classes, train, test, ..Dataset::default() }, report: self.report })
    }

    /// Says what was done to the images of these arrays.
    fn tell(&mut self, arrays: &[Array<Images>]) -> Result<()> {
        let (mut faults, mut changes) = (Faults::default(), Changes::default());
        for Array { name, content } in arrays {
            for _ in 0..content.count {
                changes.add(&content.changes, name);
                content.fault.iter().for_each(|fault| faults.add(name, fault));
            }
            if let Some(how) = content.rows {
                self.report.notes.push(format!("The rows of {name} were read {how}."));
            }
        }
        faults.refusal(arrays.len() < 2 && !self.holds_out)?;
        self.report.kind = "NumPy arrays".into();
        changes.tell(&mut self.report);
        Ok(())
    }

    /// The names of the classes, and each part's labels as places among them.
    fn classes(&mut self, labels: Vec<Array<Labels>>) -> Result<(Vec<String>, Vec<Vec<u8>>)> {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        let names: Vec<String> = labels.iter().map(|array| array.name.clone()).collect();
        for array in labels {
            match array.content {
                Labels::Numbers(of_array) => numbers.push(of_array),
                Labels::Names(of_array) => texts.push(of_array),
            }
        }
        if !numbers.is_empty() && !texts.is_empty() {
            let names = names.join(" and ");
            return refuse(&format!("of {names} one holds numbers and the other text: save both in one way"));
        }
        if !texts.is_empty() {
            let (classes, labels) = named_classes(&texts)?;
            self.report.notes.push("The labels are text; the classes are in its order.".into());
            return Ok((classes, labels));
        }
        let Some(Array { name, content: classes }) = self.class_names.take() else {
            let classes = numbered_classes(&mut numbers, &mut self.report.notes)?;
            return Ok((classes, numbers));
        };
        let highest = numbers.iter().flatten().max().copied().unwrap_or_default();
        if classes.len() <= usize::from(highest) {
            return refuse(&format!("{name} names {} classes, but there is the label {highest}", classes.len()));
        }
        check_class_count(&classes)?;
        Ok((classes, numbers))
    }

    /// The images and labels of a part, if it is there.
    fn take(&mut self, part: Part) -> Result<Option<Pair>> {
        match (self.images.remove(&Some(part)), self.labels.remove(&Some(part))) {
            (None, None) => Ok(None),
            (Some(images), Some(labels)) if images.content.count == labels.content.len() => Ok(Some((images, labels))),
            (Some(images), Some(labels)) => refuse(&format!(
                "{} has {} images, but {} has {} labels",
                images.name,
                images.content.count,
                labels.name,
                labels.content.len()
            )),
            (Some(images), None) => refuse(&self.without_labels(&images.name, part)),
            (None, Some(labels)) => refuse(&format!(
                "{} has labels, but there are no images for them: an array of N × 32 × 32 × 3 bytes{}",
                labels.name,
                self.shapes()
            )),
        }
    }

    /// The shapes of arrays that can be neither images nor labels, as words that end a refusal.
    fn shapes(&self) -> String {
        let shapes: Vec<String> = self.shapeless.iter().map(|(name, shape)| format!("{name} is {shape}")).collect();
        if shapes.is_empty() { String::new() } else { format!("; {}", shapes.join(", ")) }
    }

    /// What is wrong where images have no labels.
    fn without_labels(&self, images: &str, part: Part) -> String {
        let is_meant = |unread: &&(String, String)| [Some(part), None].contains(&Part::of_array(&unread.0));
        match self.unread.iter().find(is_meant) {
            Some((name, fault)) if fault.contains("'|O'") => format!(
                "{images} has images, but their labels cannot be read: {name} holds Python objects. Save it as text with \
                 `{}.astype(str)`, or as whole numbers",
                name.rsplit('/').next().unwrap_or(name)
            ),
            Some((name, fault)) => format!("{images} has images, but their labels cannot be read: {name} {fault}"),
            None => format!(
                "{images} has images, but there are no labels for them: whole numbers or text in an array of one \
                 dimension, named y_train or labels for the training images and y_test or test_labels for the test images"
            ),
        }
    }
}

/// Adds an array of a part. Where two are of the same one, that with the usual name is meant.
fn add<T>(
    place: &mut BTreeMap<Option<Part>, Array<T>>,
    left_out: &mut Vec<Finding>,
    what: &str,
    name: &str,
    content: T,
) -> Result<()> {
    let part = Part::of_array(name);
    let earlier = place.get(&part).map(|array| array.name.clone());
    match earlier.map(|other| (is_usual(&other), is_usual(name), other)) {
        Some((true, false, _)) => {
            report::count(left_out, BESIDE, name);
            return Ok(());
        }
        Some((false, true, other)) => {
            report::count(left_out, BESIDE, &other);
            place.remove(&part);
        }
        _ => {}
    }
    match (place.insert(part, Array { name: name.to_owned(), content }), part) {
        (None, _) => Ok(()),
        (Some(other), _) if last(&other.name) == last(name) => refuse(&format!(
            "{} and {name} seem to be pieces of one array: join them with `numpy.concatenate`, images and labels alike. Where each \
             holds one image in the folder of its class, that is not read: save the images as PNG there",
            other.name
        )),
        (Some(other), Some(part)) => {
            let of = part.images().trim_end_matches(" images");
            refuse(&format!("both {} and {name} would be the {of} {what}: keep one of them", other.name))
        }
        (Some(other), None) if [&other.name, name].iter().all(|name| CORRUPTIONS.contains(&last(name))) => {
            refuse(&format!(
                "{} and {name} are images of CIFAR-10-C or CIFAR-100-C, the test images in corrupted forms, with none to train on: \
             a dataset has both",
                other.name
            ))
        }
        (Some(other), None) => refuse(&format!(
            "{} and {name} both hold {what}, and neither name says for what: name arrays x_train, y_train, x_test and \
             y_test",
            other.name
        )),
    }
}

/// Whether an array has one of the names that images and labels usually have.
pub(super) fn is_usual(name: &str) -> bool {
    USUAL.contains(&last(name).to_lowercase().as_str())
}

/// The last part of an array's name.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn refuse<T>(fault: &str) -> Result<T> {
    Err(EngineError::Data(fault.to_owned()))
}
