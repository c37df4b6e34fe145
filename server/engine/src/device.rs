//! Devices: which there are, and the one that a run names.

pub use candle_core::Device;
use retort_spec::DeviceName;

/// A device of this machine.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// Its name in specs.
    pub name: DeviceName,
    /// What it is, for people.
    pub description: String,
}

/// The devices that a run may name here: the CPU first, then every CUDA device that answers.
pub fn available() -> Vec<DeviceInfo> {
    let cpu = DeviceInfo { name: DeviceName::Cpu, description: format!("{} threads", threads()) };
    let gpus = (0..).map_while(|index| {
        open_cuda(index).ok()?;
        Some(DeviceInfo { name: DeviceName::Cuda(index), description: format!("NVIDIA GPU {index}") })
    });
    std::iter::once(cpu).chain(gpus).collect()
}

/// Threads that computations on the CPU use.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Makes computations on the CPU use this many threads; 0 stands for one a core. Only the first call in a process counts.
///
/// # Errors
/// When the process has started its threads already.
pub fn use_threads(threads: usize) -> Result<(), String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|e| format!("cannot compute with {threads} threads: {e}"))
}

/// The device, or the CPU with a sentence that says why.
pub fn open(name: DeviceName) -> (Device, Option<String>) {
    match name {
        DeviceName::Cpu => (Device::Cpu, None),
        DeviceName::Cuda(index) => match open_cuda(index) {
            Ok(device) => (device, None),
            Err(why) => (Device::Cpu, Some(format!("{name} is not available ({why}); computing on the CPU instead"))),
        },
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Device, String> {
    // With RUST_BACKTRACE set the error's text holds a backtrace: its first line says what matters.
    Device::new_cuda(index).map_err(|e| e.to_string().lines().next().unwrap_or("no driver").to_owned())
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_index: usize) -> Result<Device, String> {
    Err("this program was built without the feature `cuda`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_missing_falls_back_to_the_cpu_with_one_sentence() {
        let (device, why) = open(DeviceName::Cuda(63));
        assert!(device.is_cpu());
        let why = why.unwrap();
        assert!(why.contains("cuda:63") && why.contains("CPU instead") && !why.contains('\n'), "{why}");
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(available()[0].name, DeviceName::Cpu);
    }
}
