//! Convolution weights as their kernels read them, kept as long as the weights stand.

use std::{collections::HashMap, sync::Arc};

use candle_core::{Result, Tensor, TensorId};

use crate::ops::ConvWeights;

/// By parameter: its weights in a kernel's layout, and the tensors that they were made from.
///
/// A tensor that changes becomes another one, with another id: nothing here mutates a parameter where it lies.
#[derive(Clone, Debug, Default)]
pub(super) struct PackedWeights(HashMap<usize, (Vec<TensorId>, Arc<ConvWeights>)>);

impl PackedWeights {
    /// The weights of a parameter, packed again if they were made from other tensors than these.
    pub(super) fn get(
        &mut self,
        parameter: usize,
        sources: &[&Tensor],
        pack: impl FnOnce() -> Result<ConvWeights>,
    ) -> Result<Arc<ConvWeights>> {
        let ids: Vec<TensorId> = sources.iter().map(|t| t.id()).collect();
        if let Some((made_from, weights)) = self.0.get(&parameter)
            && *made_from == ids
        {
            return Ok(Arc::clone(weights));
        }
        // The old ones go first: two generations of a large network's weights would be hundreds of megabytes.
        self.0.remove(&parameter);
        let weights = Arc::new(pack()?);
        self.0.insert(parameter, (ids, Arc::clone(&weights)));
        Ok(weights)
    }
}
