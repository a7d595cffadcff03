"""Operations about launches and mass messages."""
