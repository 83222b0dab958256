package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.it.support.Readme;
import io.c2crelay.it.support.Readme.Block;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * README.md and README_kr.md have the same blocks in the same order, with the same commands, names,
 * numbers and links.
 */
class ReadmeIT {

  private static final Readme ENGLISH = Readme.english();
  private static final Readme KOREAN = Readme.korean();

  static Stream<Readme> both() {
    return Stream.of(ENGLISH, KOREAN);
  }

  @Test
  void blocksMatch() {
    List<Block> english = ENGLISH.blocks();
    List<Block> korean = KOREAN.blocks();
    for (int i = 0; i < Math.min(english.size(), korean.size()); i++) {
      // stops at the first difference: later blocks are misaligned
      assertThat(korean.get(i).kind())
          .as(where(english.get(i), korean.get(i)))
          .isEqualTo(english.get(i).kind());
    }
    assertThat(korean.size()).as("number of blocks").isEqualTo(english.size());
  }

  /** The parts of a block that translation preserves. */
  record Content(
      String codeBlock,
      int cells,
      List<String> firstCell,
      List<String> code,
      List<String> numbers,
      List<String> links) {

    static Content of(Readme readme, Block block) {
      return new Content(
          block.verbatim(),
          block.cells().size(),
          block.firstCellCode(),
          block.code(),
          block.numbers(),
          block.links().stream()
              .map(link -> destination(readme, link))
              .collect(Collectors.toList()));
    }

    /** A link in a form that is the same in both languages. */
    private static String destination(Readme readme, String link) {
      if (link.startsWith("#")) {
        return "heading " + readme.headingOf(link);
      }
      boolean language = both().map(Readme::name).anyMatch(link::equals);
      return language && !link.equals(readme.name()) ? "the other language" : link;
    }
  }

  @Test
  void contentMatches() {
    SoftAssertions all = new SoftAssertions();
    List<Block> english = ENGLISH.blocks();
    List<Block> korean = KOREAN.blocks();
    for (int i = 0; i < Math.min(english.size(), korean.size()); i++) {
      all.assertThat(Content.of(KOREAN, korean.get(i)))
          .as(where(english.get(i), korean.get(i)))
          .isEqualTo(Content.of(ENGLISH, english.get(i)));
    }
    all.assertAll();
  }

  @ParameterizedTest
  @MethodSource("both")
  void linksResolve(Readme readme) {
    assertThat(readme.blocks().stream().flatMap(block -> block.links().stream()))
        .isNotEmpty()
        .allMatch(
            link ->
                link.startsWith("#")
                    ? readme.headingOf(link) >= 0
                    : Files.isRegularFile(Readme.ROOT.resolve(link)));
  }

  @Test
  void reasonsMatchProtocol() {
    assertThat(
            Readme.operations().table("Reasons", "reason").stream()
                .flatMap(row -> Readme.code(row.get(0))))
        .containsExactlyInAnyOrderElementsOf(
            Arrays.stream(ReasonCode.values()).map(Enum::name).collect(Collectors.toList()));
  }

  /** The tables of events are complete: relay-common logs {@code shortage} and more. */
  @ParameterizedTest
  @CsvSource({"relay, server2server, accept.paused", "agent, client2client, sockets.exhausted"})
  void eventsMatchCode(String side, String module, String shortage) throws IOException {
    Pattern event = Pattern.compile("\\blog\\.(?:info|warn|error)\\(\\s*\"([a-z_.]+)");
    Set<String> logged = new HashSet<>();
    String events = module + "/src/main/java/io/c2crelay/" + side + "/events";
    try (DirectoryStream<Path> sources = Files.newDirectoryStream(Readme.ROOT.resolve(events))) {
      for (Path source : sources) {
        event
            .matcher(Files.readString(source))
            .results()
            .forEach(found -> logged.add(found.group(1)));
      }
    }
    logged.addAll(List.of(shortage, "key.file_readable", "loop.lost", "log.lost", "status"));
    logged.addAll(
        List.of("config.reloaded", "config.kept", "config.needs_restart", "admin.refused"));
    assertThat(
            Readme.operations().table("Events of the " + side, "event").stream()
                .flatMap(row -> Readme.code(row.get(0))))
        .containsExactlyInAnyOrderElementsOf(logged);
  }

  /** Errors of relay-common that are bugs, which the tables of events do not list. */
  @Test
  void bugsAreNamed() {
    List<String> bugs = List.of("unexpected", "drain.failed", "leg.failed");
    assertThat(Readme.operations().blocks()).anyMatch(block -> block.code().containsAll(bugs));
  }

  private static String where(Block english, Block korean) {
    return String.format(
        "%s:%d \"%s\", %s:%d \"%s\"",
        ENGLISH.name(),
        english.line(),
        english.text(),
        KOREAN.name(),
        korean.line(),
        korean.text());
  }
}
