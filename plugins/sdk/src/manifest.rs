/// Puts a manifest into the component, where the host finds it before it runs anything.
#[doc(hidden)]
#[macro_export]
macro_rules! manifest {
    ($manifest:literal) => {
        const MANIFEST: &[u8] = include_bytes!($manifest);

        #[used]
        #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "omnigate:manifest"))]
        static SECTION: [u8; MANIFEST.len()] = *include_bytes!($manifest);
    };
}
