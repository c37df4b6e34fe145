//! The tensors that a pickle declares: PyTorch's, whose numbers lie in storages, and NumPy's arrays in the pickle itself.

use candle_core::DType;

use super::{
    contents::Declared,
    contents::Place as Storage,
    pickle::{Pickle, Place, Value, numpy},
    plain::contiguous,
};

/// Dimensions of the tensors that are read. No weights have more than four.
const MOST_DIMENSIONS: usize = 8;

/// Where the numbers of tensors lie.
pub struct Numbers<'a> {
    /// Where a storage lies, by its key.
    pub storages: &'a dyn Fn(&str) -> Storage,
    /// The bytes of the pickle, in which NumPy's arrays lie.
    pub bytes: &'a [u8],
}

/// The array of NumPy that a call rebuilds, as a tensor; none for one of a type of numbers that PyTorch does not have.
fn array(pickle: &Pickle, at: Place, bytes: &[u8]) -> Option<Declared> {
    let (array, is_c_order) = numpy::of_any_order(pickle, bytes, at)?;
    let dtype = match (array.kind, array.width) {
        ('f', 2) => DType::F16,
        ('f', 4) => DType::F32,
        ('f', 8) => DType::F64,
        ('i', 8) => DType::I64,
        ('i', 4) => DType::I32,
        ('i', 2) => DType::I16,
        (_, 1) => DType::U8,
        _ => return None,
    };
    let mut shape = array.shape;
    let mut strides = contiguous(&shape);
    if !is_c_order {
        shape.reverse();
        strides = contiguous(&shape);
        shape.reverse();
        strides.reverse();
    }
    let is_read = shape.len() <= MOST_DIMENSIONS;
    is_read.then_some(Declared { dtype, shape, strides, offset: 0, place: Storage::Array(at), mask: None })
}

/// The tensor that a call rebuilds; none for anything else, and for a tensor that is stored in another way (sparse, with a
/// pending negation). A quantised one is of whole numbers.
pub fn declared(pickle: &Pickle, at: Place, numbers: &Numbers) -> Option<Declared> {
    let (mut function, mut arguments) = pickle.call(at)?;
    if function.starts_with("numpy.") {
        return array(pickle, at, numbers.bytes);
    }
    if function == "torch._tensor._rebuild_from_type_v2" {
        let [inner, _, inner_arguments, _] = pickle.tuple(arguments)? else { return None };
        let Value::Global(name) = pickle.value(*inner) else { return None };
        (function, arguments) = (name, *inner_arguments);
    }
    if matches!(function, "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state") {
        (function, arguments) = pickle.call(*pickle.tuple(arguments)?.first()?)?;
    }
    let [storage, offset, shape, strides, rest @ ..] = pickle.tuple(arguments)? else { return None };
    let is_bare = |at: Option<&Place>| at.is_none_or(|at| pickle.dict(*at).is_none_or(<[_]>::is_empty));
    // Behind the strides: whether it needs gradients, hooks; then, in the third form, its type; then metadata.
    let dtype = match function {
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_qtensor" => None,
        "torch._utils._rebuild_tensor_v2" if is_bare(rest.get(2)) => None,
        "torch._utils._rebuild_tensor_v3" if is_bare(rest.get(3)) => match pickle.value(*rest.get(2)?) {
            Value::Global(name) if name == "torch.float8_e4m3fn" => Some(DType::F8E4M3),
            _ => return None,
        },
        _ => return None,
    };
    let Value::Persistent(id) = pickle.value(*storage) else { return None };
    let [_, class, key, ..] = pickle.tuple(*id)? else { return None };
    let Value::Global(class) = pickle.value(*class) else { return None };
    let dtype = if dtype.is_some() { dtype } else { storage_type(class) }?;
    let counts = |at: Place| {
        let parts = pickle.tuple(at).filter(|parts| parts.len() <= MOST_DIMENSIONS)?;
        parts.iter().map(|at| pickle.count(*at)).collect::<Option<Vec<_>>>()
    };
    let (shape, strides) = (counts(*shape)?, counts(*strides)?);
    let place = (numbers.storages)(pickle.text(*key)?);
    let offset = pickle.count(*offset)?;
    (shape.len() == strides.len()).then_some(Declared { dtype, shape, strides, offset, place, mask: None })
}

/// Three numbers of Python in a row.
pub fn of_python(pickle: &Pickle, at: Place) -> Option<Declared> {
    let numbers: [Place; 3] = pickle.sequence(at)?.try_into().ok()?;
    let [red, green, blue] = numbers.map(|at| pickle.number(at));
    let place = Storage::Python([red?, green?, blue?].map(f64::to_bits));
    Some(Declared { dtype: DType::F64, shape: vec![3], strides: vec![1], offset: 0, place, mask: None })
}

/// The type of the numbers in a storage of this class.
pub fn storage_type(class: &str) -> Option<DType> {
    let class = class.strip_prefix("torch.")?;
    Some(match class.strip_prefix("cuda.").unwrap_or(class) {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "IntStorage" | "QInt32Storage" => DType::I32,
        "ShortStorage" => DType::I16,
        "ByteStorage" | "BoolStorage" | "CharStorage" | "QInt8Storage" | "QUInt8Storage" => DType::U8,
        _ => return None,
    })
}
