"""What all venues of the ccxt family share; a venue's own truth is its `Dialect`, in its adapter."""
