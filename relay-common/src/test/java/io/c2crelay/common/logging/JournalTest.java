package io.c2crelay.common.logging;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class JournalTest {
  @TempDir Path directory;

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void isTheFileThatTheVariableNames() throws IOException {
    Path file = Files.createFile(directory.resolve("stream"));
    Path other = Files.createFile(directory.resolve("other"));
    String stream =
        Files.getAttribute(file, "unix:dev") + ":" + Files.getAttribute(file, "unix:ino");
    assertThat(Journal.is(file, stream)).isTrue();
    assertThat(Journal.is(Files.createSymbolicLink(directory.resolve("link"), file), stream))
        .isTrue();
    assertThat(Journal.is(other, stream)).isFalse();
    assertThat(Journal.is(directory.resolve("absent"), stream)).isFalse();
  }

  @Test
  void isNothingWithoutTheVariableOrWithNonsense() throws IOException {
    Path file = Files.createFile(directory.resolve("stream"));
    assertThat(Journal.is(file, null)).isFalse();
    assertThat(Journal.is(file, "")).isFalse();
    assertThat(Journal.is(file, "8:x")).isFalse();
  }

  @Test
  void marksNothingElsewhere() {
    assertThat(Journal.errorMark(Map.of())).isEmpty();
    assertThat(Journal.errorMark(Map.of("JOURNAL_STREAM", "1:1"))).isEmpty();
  }
}
