"""A directory of its own for a test of the program, readable by other users where a test runs it as one."""
import pathlib
import shutil
import tempfile


class Workplace:
    def __init__(self, name):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-{name}-test-"))

    def directory(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.path))

    def program_for(self, user, program):
        """The program, or a copy where `user`, who may not be allowed where it was built, can run it."""
        if not user:
            return program
        copy = self.path / program.name
        shutil.copy(program, copy)
        return copy

    def remove(self):
        for path in [self.path, *self.path.rglob("*")]:
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(self.path)
