"""Operations about groups for clients and outside systems."""
