package io.c2crelay.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A README as its blocks in order: headings, paragraphs, list items, table rows and code blocks.
 * Parses only the Markdown that the READMEs use.
 */
public final class Readme {

  /** The project root, which contains the READMEs. */
  public static final Path ROOT =
      Path.of(System.getProperty("basedir", ".")).toAbsolutePath().resolve("..").normalize();

  private static final Pattern MARKER = Pattern.compile("(#+|-|\\d+\\.) +|\\|");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final Pattern LINK = Pattern.compile("\\[[^\\]]*]\\(([^)]*)\\)");
  private static final Pattern NUMBER = Pattern.compile("\\d+(?:\\.\\d+)*");
  private static final String FENCE = "```";

  /**
   * One block.
   *
   * @param line the number of its first line, from 1
   * @param kind its marker: {@code ##}, {@code -}, {@code 1.}, {@code |}, three backticks for a
   *     code block, empty for a paragraph
   * @param text the text after the marker, lines joined; a code block's lines as they are
   */
  public record Block(int line, String kind, String text) {

    private boolean isHeading() {
      return kind.startsWith("#");
    }

    private boolean isVerbatim() {
      return kind.equals(FENCE);
    }

    /** The text of a code block; empty for other kinds. */
    public String verbatim() {
      return isVerbatim() ? text : "";
    }

    /** The cells of a table row; empty for other kinds. */
    public List<String> cells() {
      return kind.equals("|") ? List.of(text.split(" *\\| *")) : List.of();
    }

    /** The code spans, sorted: their order differs between languages. */
    public List<String> code() {
      return isVerbatim() ? List.of() : Readme.code(text).sorted().toList();
    }

    /** The code spans in the first cell of a table row. */
    public List<String> firstCellCode() {
      return cells().stream().limit(1).flatMap(Readme::code).toList();
    }

    /** The numbers outside code spans and links, sorted. */
    public List<String> numbers() {
      String words = LINK.matcher(CODE.matcher(text).replaceAll("")).replaceAll("");
      return isVerbatim() ? List.of() : all(NUMBER, words, 0).sorted().toList();
    }

    /** The link destinations. */
    public List<String> links() {
      return isVerbatim() ? List.of() : all(LINK, text, 1).toList();
    }
  }

  private final String name;
  private final List<Block> blocks;

  private Readme(String name, List<Block> blocks) {
    this.name = name;
    this.blocks = blocks;
  }

  public static Readme english() {
    return read("README.md");
  }

  public static Readme korean() {
    return read("README_kr.md");
  }

  /** The options of both commands, in the same Markdown. */
  public static Readme options() {
    return read("docs/options.md");
  }

  /** The operators' manual, in the same Markdown. */
  public static Readme operations() {
    return read("docs/operations.md");
  }

  private static Readme read(String name) {
    try {
      return new Readme(name, parse(Files.readAllLines(ROOT.resolve(name))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public String name() {
    return name;
  }

  @Override
  public String toString() {
    return name;
  }

  public List<Block> blocks() {
    return blocks;
  }

  /** The index of the heading that a link such as {@code #keys} points to; -1 if there is none. */
  public int headingOf(String link) {
    return blocks.stream()
        .filter(Block::isHeading)
        .map(heading -> "#" + anchor(heading.text()))
        .toList()
        .indexOf(link);
  }

  /** The rows of a section's table, without its header, whose first cell identifies the table. */
  public List<List<String>> table(String section, String firstCell) {
    return blocks.stream()
        .dropWhile(block -> !(block.isHeading() && block.text().equals(section)))
        .dropWhile(block -> !block.cells().stream().findFirst().equals(Optional.of(firstCell)))
        .skip(2)
        .takeWhile(block -> block.kind().equals("|"))
        .map(Block::cells)
        .toList();
  }

  /** The code spans of a text, in order. */
  public static Stream<String> code(String text) {
    return all(CODE, text, 1);
  }

  /** GitHub's anchor for a heading. */
  private static String anchor(String heading) {
    return heading
        .toLowerCase(Locale.ROOT)
        .replaceAll("[^\\p{L}\\p{M}\\p{N} _-]", "")
        .replace(' ', '-');
  }

  private static Stream<String> all(Pattern pattern, String text, int group) {
    return pattern.matcher(text).results().map(found -> found.group(group));
  }

  private static List<Block> parse(List<String> lines) {
    List<Block> blocks = new ArrayList<>();
    boolean open = false; // whether the next line may continue the last block
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      if (line.equals(FENCE)) {
        int end = i + 1 + lines.subList(i + 1, lines.size()).indexOf(FENCE);
        blocks.add(new Block(i + 1, FENCE, String.join("\n", lines.subList(i + 1, end))));
        i = end;
        open = false;
        continue;
      }
      Matcher marker = MARKER.matcher(line);
      if (line.isBlank()) {
        open = false;
      } else if (marker.lookingAt()) {
        blocks.add(new Block(i + 1, marker.group().trim(), line.substring(marker.end()).trim()));
        open = true;
      } else if (open) {
        Block last = blocks.remove(blocks.size() - 1);
        blocks.add(new Block(last.line(), last.kind(), last.text() + " " + line.trim()));
      } else {
        blocks.add(new Block(i + 1, "", line.trim()));
        open = true;
      }
    }
    return List.copyOf(blocks);
  }
}
