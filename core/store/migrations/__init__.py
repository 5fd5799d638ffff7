"""Schema changes in order, made with the ORM's own migration command. Never edit one that has shipped."""
