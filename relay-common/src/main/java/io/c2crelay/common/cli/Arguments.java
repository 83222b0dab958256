package io.c2crelay.common.cli;

import io.c2crelay.common.logging.LogLevel;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/** How picocli reads the arguments: any word can be a key, and no message repeats one. */
final class Arguments {
  private static final Pattern LIKE_AN_OPTION =
      Pattern.compile("--[a-z][a-z-]*(=.*)?", Pattern.DOTALL);

  /** What is this much longer than every option may be a key. */
  private static final int MAX_MISTYPED = 3;

  private Arguments() {}

  /** A parser for the annotated {@code command}. */
  static CommandLine parser(Object command) {
    CommandLine line = new CommandLine(command);
    CommandSpec spec = line.getCommandSpec();
    String version = command.getClass().getPackage().getImplementationVersion();
    spec.version(spec.name() + " " + (version == null ? "development" : version));
    spec.addOption(
        flag("-h", "--help").usageHelp(true).description("Show this help and exit.").build());
    spec.addOption(
        flag("-V", "--version")
            .versionHelp(true)
            .description("Show the version and exit.")
            .build());
    line.setUsageHelpWidth(100);
    line.setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF));
    line.setExpandAtFiles(false);
    line.setPosixClusteredShortOptionsAllowed(false);
    line.setUnmatchedOptionsArePositionalParams(true);
    line.setAllowOptionsAsOptionParameters(false);
    convert(line, int.class, Arguments::wholeNumber);
    convert(line, long.class, Sizes::parse);
    convert(line, Duration.class, Durations::parse);
    convert(line, LogLevel.class, text -> choice(LogLevel.class, text));
    convert(line, TransportChoice.class, text -> choice(TransportChoice.class, text));
    line.setDefaultValueProvider(Arguments::defaultValue);
    return line;
  }

  /** Refuses what picocli would take for a positional argument but is hardly meant as one. */
  static void check(CommandSpec spec, String... args) {
    boolean optionsEnded = false;
    for (int i = 0; i < args.length; i++) {
      if (args[i].indexOf('\uFFFD') >= 0) {
        throw new IllegalArgumentException(
            "argument "
                + (i + 1)
                + " is not text in this locale; put the key in a file and give --key-file");
      }
      optionsEnded |= args[i].equals("--");
      if (!optionsEnded && LIKE_AN_OPTION.matcher(args[i]).matches()) {
        String name = args[i].split("=", 2)[0];
        if (spec.findOption(name) == null) {
          throw new IllegalArgumentException(
              unknown(spec, name)
                  + " in argument "
                  + (i + 1)
                  + "; a key that looks like one goes after --");
        }
      }
    }
  }

  /** Names the option and the nearest known one, unless what is given may be a key. */
  private static String unknown(CommandSpec spec, String name) {
    String nearest = "";
    int longest = 0;
    for (String known : spec.optionsMap().keySet()) {
      longest = Math.max(longest, known.length());
      if (nearest.isEmpty() || distance(name, known) < distance(name, nearest)) {
        nearest = known;
      }
    }
    if (name.length() > longest + MAX_MISTYPED) {
      return "unknown option";
    }
    boolean near = distance(name, nearest) <= name.length() / 2;
    return "unknown option " + name + (near ? " (did you mean " + nearest + "?)" : "");
  }

  /**
   * How many letters to insert, drop or change to come from one word to the other (Levenshtein).
   */
  private static int distance(String from, String to) {
    int[] previous = new int[to.length() + 1];
    for (int j = 0; j <= to.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= from.length(); i++) {
      int[] row = new int[to.length() + 1];
      row[0] = i;
      for (int j = 1; j <= to.length(); j++) {
        int change = previous[j - 1] + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(change, 1 + Math.min(row[j - 1], previous[j]));
      }
      previous = row;
    }
    return previous[to.length()];
  }

  /** What is wrong with the command line, in one line. */
  static String describe(ParameterException e) {
    CommandSpec spec = e.getCommandLine().getCommandSpec();
    if (e instanceof UnmatchedArgumentException) {
      return "too many arguments: expected " + positionals(spec);
    }
    if (e instanceof MissingParameterException) {
      return ((MissingParameterException) e)
          .getMissing().stream()
              .filter(ArgSpec::isOption)
              .findFirst()
              .map(option -> name(option) + " needs a value")
              .orElse("missing arguments: expected " + positionals(spec));
    }
    if (e instanceof OverwrittenOptionException) {
      return name(((OverwrittenOptionException) e).getOverwritten()) + " is given twice";
    }
    ArgSpec arg = e.getArgSpec();
    if (arg == null) {
      return "the arguments are not understood";
    }
    Throwable cause = e.getCause();
    return name(arg)
        + " "
        + (cause instanceof BadValue ? cause.getMessage() : "is not used that way");
  }

  private static OptionSpec.Builder flag(String... names) {
    return OptionSpec.builder(names[0], names[1]).type(boolean.class).arity("0");
  }

  private static String positionals(CommandSpec spec) {
    return spec.positionalParameters().stream()
        .map(p -> p.required() ? p.paramLabel() : "[" + p.paramLabel() + "]")
        .collect(Collectors.joining(" "));
  }

  private static String name(ArgSpec arg) {
    return arg instanceof OptionSpec ? ((OptionSpec) arg).longestName() : arg.paramLabel();
  }

  private static <T> void convert(CommandLine line, Class<T> type, Function<String, T> parse) {
    line.registerConverter(type, converter(parse));
  }

  /** A converter whose complaint reaches the user as it is. */
  static <T> ITypeConverter<T> converter(Function<String, T> parse) {
    return text -> {
      try {
        return parse.apply(text);
      } catch (IllegalArgumentException e) {
        throw new BadValue(e.getMessage());
      }
    };
  }

  private static int wholeNumber(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "must be a whole number", null); // its message repeats the text
    }
  }

  private static <E extends Enum<E>> E choice(Class<E> type, String text) {
    for (E value : type.getEnumConstants()) {
      if (lower(value).equals(text)) {
        return value;
      }
    }
    throw new IllegalArgumentException("must be one of " + join(type));
  }

  private static <E extends Enum<E>> String join(Class<E> type) {
    StringBuilder names = new StringBuilder();
    for (E value : type.getEnumConstants()) {
      names.append(names.length() == 0 ? "" : ", ").append(lower(value));
    }
    return names.toString();
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** A field's initial value is its default; this is how the help writes it. */
  private static @Nullable String defaultValue(ArgSpec arg) {
    Object value = arg.initialValue();
    if (value instanceof Duration) {
      Duration duration = (Duration) value;
      return duration.isZero() ? "off" : Durations.format(duration);
    }
    if (value instanceof Long) {
      return Sizes.format((Long) value);
    }
    return value instanceof Enum ? lower((Enum<?>) value) : null;
  }

  /**
   * The complaint of one of our own converters: the only kind that is shown, since picocli's repeat
   * the argument.
   */
  private static final class BadValue extends TypeConversionException {
    private static final long serialVersionUID = 1L;

    BadValue(@Nullable String message) {
      super(message == null ? "is not valid" : message);
    }
  }
}
