package io.c2crelay.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.c2crelay.common.protocol.ReasonCode;
import io.c2crelay.it.support.Readme;
import io.c2crelay.it.support.Readme.Block;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * README_kr.md is README.md in Korean: the same blocks in the same order, with the same commands,
 * names, figures and links. Who changes one of them changes the other.
 */
class ReadmeIT {

  private static final Readme ENGLISH = Readme.english();
  private static final Readme KOREAN = Readme.korean();

  static Stream<Readme> both() {
    return Stream.of(ENGLISH, KOREAN);
  }

  @Test
  void blocksAreOfTheSameKindsInTheSameOrder() {
    List<Block> english = ENGLISH.blocks();
    List<Block> korean = KOREAN.blocks();
    for (int i = 0; i < Math.min(english.size(), korean.size()); i++) {
      // the first difference alone: whatever follows it is out of step
      assertThat(korean.get(i).kind())
          .as(where(english.get(i), korean.get(i)))
          .isEqualTo(english.get(i).kind());
    }
    assertThat(korean.size()).as("number of blocks").isEqualTo(english.size());
  }

  /** What a program can compare of a block and its translation. */
  record Facts(
      String codeBlock,
      int cells,
      List<String> firstCell,
      List<String> code,
      List<String> figures,
      List<String> links) {

    static Facts of(Readme readme, Block block) {
      return new Facts(
          block.verbatim(),
          block.cells().size(),
          block.firstCellCode(),
          block.code(),
          block.figures(),
          block.links().stream()
              .map(link -> destination(readme, link))
              .collect(Collectors.toList()));
    }

    /** The other language's file, a heading's number, or the link as it is. */
    private static String destination(Readme readme, String link) {
      if (link.startsWith("#")) {
        return "heading " + readme.headingOf(link);
      }
      boolean language = both().map(Readme::name).anyMatch(link::equals);
      return language && !link.equals(readme.name()) ? "the other language" : link;
    }
  }

  @Test
  void blocksHaveTheSameCommandsNamesFiguresAndLinks() {
    SoftAssertions all = new SoftAssertions();
    List<Block> english = ENGLISH.blocks();
    List<Block> korean = KOREAN.blocks();
    for (int i = 0; i < Math.min(english.size(), korean.size()); i++) {
      all.assertThat(Facts.of(KOREAN, korean.get(i)))
          .as(where(english.get(i), korean.get(i)))
          .isEqualTo(Facts.of(ENGLISH, english.get(i)));
    }
    all.assertAll();
  }

  @ParameterizedTest
  @MethodSource("both")
  void linksLeadSomewhere(Readme readme) {
    assertThat(readme.blocks().stream().flatMap(block -> block.links().stream()))
        .isNotEmpty()
        .allMatch(
            link ->
                link.startsWith("#")
                    ? readme.headingOf(link) >= 0
                    : Files.isRegularFile(Readme.ROOT.resolve(link)));
  }

  @Test
  void reasonsAreThoseOfTheProtocol() {
    assertThat(ENGLISH.table("Logs", "reason").stream().flatMap(row -> Readme.code(row.get(0))))
        .containsExactlyInAnyOrderElementsOf(
            Arrays.stream(ReasonCode.values()).map(Enum::name).collect(Collectors.toList()));
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
