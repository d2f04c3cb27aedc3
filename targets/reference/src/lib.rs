//! The bundled systems: sans-IO protocol cores, and the node around them.
