"""What every stage needs: parameters, paths, files, errors, the numerics profile."""
