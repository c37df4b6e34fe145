//! The hash of a spec: a name for a figure that is the same in every data folder.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use retort_spec::ModelRef;
use retort_store::{Run, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::scheduler::Control;

/// SHA-256 of a spec as JSON without spaces, keys in their order, where every model that a run leaves is named by the hash of that
/// run's spec, and every imported one by that of its file. As the same spec gives the same numbers on the same images, it names a
/// figure whatever numbers the runs bear. A spec that a later version writes with more fields has another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecHash(String);

impl SpecHash {
    /// The hash of a spec; `named` gives what stands for a model of a run or an imported one.
    ///
    /// # Errors
    /// As `named`.
    pub fn of(spec: &Value, named: &mut dyn FnMut(ModelRef) -> Result<String>) -> Result<Self> {
        let mut text = String::new();
        write(spec, named, &mut text)?;
        Ok(Self(hex(&Sha256::digest(text))))
    }
}

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes JSON in its one form.
fn write(value: &Value, named: &mut dyn FnMut(ModelRef) -> Result<String>, text: &mut String) -> Result<()> {
    match value {
        Value::Object(fields) => {
            let model = fields.len() == 1 && (fields.contains_key("run") || fields.contains_key("imported"));
            if model && let Ok(model) = serde_json::from_value::<ModelRef>(value.clone()) {
                text.push_str(&Value::String(named(model)?).to_string());
                return Ok(());
            }
            text.push('{');
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            for (place, (name, value)) in sorted.into_iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write(value, named, text)?;
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write(value, named, text)?;
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
    Ok(())
}

/// SHA-256 of the files of imported models, which never change, each read once. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ModelHashes(Arc<Mutex<BTreeMap<i64, String>>>);

impl ModelHashes {
    /// That of a model's file.
    ///
    /// # Errors
    /// When the file cannot be read.
    async fn of(&self, model: i64, path: PathBuf) -> Result<String> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = known().get(&model) {
            return Ok(hash.clone());
        }
        let hash = tokio::task::spawn_blocking(move || hash_of_file(&path)).await.context("reading weights")?;
        let hash = hash.with_context(|| format!("the file of model {model} is gone: import it again"))?;
        known().insert(model, hash.clone());
        Ok(hash)
    }
}

/// Hashes of specs of a data folder's runs, each computed once.
#[derive(Debug)]
pub struct Hashes<'a> {
    store: &'a Store,
    control: &'a Control,
    of_models: ModelHashes,
    /// Runs that need not be asked for.
    at_hand: BTreeMap<i64, Run>,
    runs: BTreeMap<i64, Run>,
    known: BTreeMap<i64, SpecHash>,
    models: BTreeMap<i64, String>,
}

impl<'a> Hashes<'a> {
    /// None are known yet; `at_hand` are runs that may be asked for.
    pub fn new(store: &'a Store, control: &'a Control, of_models: &ModelHashes, at_hand: &[Run]) -> Self {
        let (of_models, at_hand) = (of_models.clone(), at_hand.iter().map(|run| (run.id, run.clone())).collect());
        let (runs, known, models) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { store, control, of_models, at_hand, runs, known, models }
    }

    /// The hash of a run's spec.
    ///
    /// # Errors
    /// When the database refuses, or the file of an imported model is gone.
    pub async fn of(&mut self, run: &Run) -> Result<SpecHash> {
        let mut asked = vec![run.clone()];
        let mut found = Vec::new();
        while let Some(run) = asked.pop() {
            if self.runs.contains_key(&run.id) {
                continue;
            }
            for model in run.spec()?.models_mut() {
                match *model.innermost() {
                    ModelRef::Run(id) => asked.push(match self.at_hand.get(&id) {
                        Some(run) => run.clone(),
                        None => self.store.run(id).await?,
                    }),
                    ModelRef::Imported(id) => {
                        let hash = self.of_models.of(id, self.control.model_file(id)).await?;
                        self.models.insert(id, hash);
                    }
                    _ => {}
                }
            }
            found.push(run.id);
            self.runs.insert(run.id, run);
        }
        // A run is younger than those that its spec names.
        found.sort_unstable();
        for id in found {
            let spec: Value = serde_json::from_str(self.runs[&id].stored_spec()).context("reading a spec")?;
            let hash = SpecHash::of(&spec, &mut |model| self.named(&model))?;
            self.known.insert(id, hash);
        }
        self.known.get(&run.id).cloned().with_context(|| format!("run {} has no hash", run.id))
    }

    /// The runs that led to those whose hashes were asked for, themselves among them, the oldest first; with their hashes.
    pub fn lineage(self) -> impl Iterator<Item = (Run, SpecHash)> {
        let mut known = self.known;
        self.runs.into_iter().filter_map(move |(id, run)| Some((run, known.remove(&id)?)))
    }

    fn named(&self, model: &ModelRef) -> Result<String> {
        let known = match model {
            ModelRef::Run(id) => self.known.get(id).map(ToString::to_string),
            ModelRef::Imported(id) => self.models.get(id).cloned(),
            _ => None,
        };
        known.with_context(|| format!("{model:?} is not known"))
    }
}

/// SHA-256 of a file.
pub(super) fn hash_of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut bytes) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&bytes[..n]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hash(spec: &Value) -> SpecHash {
        SpecHash::of(spec, &mut |model| Ok(format!("{model:?}"))).unwrap()
    }

    #[test]
    fn a_hash_depends_on_values_and_models_and_on_no_order_of_fields() {
        let text = r#"{"b": [1, 2.5, null], "a": {"run": 3}}"#;
        let turned = r#"{"a":{"run":3},"b":[1,2.5,null]}"#;
        let [first, second]: [Value; 2] = [text, turned].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(hash(&first), hash(&second));
        let plain = hex(&Sha256::digest(r#"{"a":"Run(3)","b":[1,2.5,null]}"#));
        assert_eq!(hash(&first).to_string(), plain);
        for other in [json!({"a": {"run": 4}, "b": [1, 2.5, null]}), json!({"a": {"run": 3}, "b": [2.5, 1, null]})] {
            assert_ne!(hash(&first), hash(&other));
        }
        // The best epoch of a run is another model than its last.
        assert_ne!(hash(&json!({"best": {"run": 3}})), hash(&json!({"run": 3})));
    }
}
