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
  void matchesDeviceAndInode() throws IOException {
    Path file = Files.createFile(directory.resolve("stream"));
    Path other = Files.createFile(directory.resolve("other"));
    String stream =
        Files.getAttribute(file, "unix:dev") + ":" + Files.getAttribute(file, "unix:ino");
    assertThat(Journal.matches(file, stream)).isTrue();
    assertThat(Journal.matches(Files.createSymbolicLink(directory.resolve("link"), file), stream))
        .isTrue();
    assertThat(Journal.matches(other, stream)).isFalse();
    assertThat(Journal.matches(directory.resolve("absent"), stream)).isFalse();
  }

  @Test
  void rejectsMissingOrInvalidVariable() throws IOException {
    Path file = Files.createFile(directory.resolve("stream"));
    assertThat(Journal.matches(file, null)).isFalse();
    assertThat(Journal.matches(file, "")).isFalse();
    assertThat(Journal.matches(file, "8:x")).isFalse();
  }

  @Test
  void noPrefixOutsideTheJournal() {
    assertThat(Journal.errorPrefix(Map.of())).isEmpty();
    assertThat(Journal.errorPrefix(Map.of("JOURNAL_STREAM", "1:1"))).isEmpty();
  }
}
