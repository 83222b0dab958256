package io.c2crelay.common.cli;

import io.c2crelay.common.logging.LogFormat;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;
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

/**
 * Configures picocli and checks arguments. Any argument may be a key, so arbitrary words are
 * accepted and no message repeats an argument.
 */
final class Arguments {
  private static final Pattern OPTION_SYNTAX =
      Pattern.compile("--[a-z][a-z-]*(=.*)?", Pattern.DOTALL);

  /** A longer word may be a key, unless it resembles an option. */
  private static final int MAX_NAMED_LENGTH = 19;

  private static final int MAX_TYPO = 4;

  private Arguments() {}

  static CommandLine parser(Object command) {
    CommandLine line = new CommandLine(command);
    CommandSpec spec = line.getCommandSpec();
    spec.version(spec.name() + " " + ProgramVersion.of(command.getClass()));
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
    register(line, int.class, Arguments::wholeNumber);
    register(line, long.class, Sizes::parse);
    register(line, Duration.class, Durations::parse);
    register(line, Level.class, text -> choice(Level.class, text));
    register(line, LogFormat.class, text -> choice(LogFormat.class, text));
    register(line, TransportChoice.class, text -> choice(TransportChoice.class, text));
    line.setDefaultValueProvider(Arguments::defaultValue);
    return line;
  }

  /**
   * Rejects misspelt options, which picocli would accept as positional arguments, and arguments
   * that the locale cannot decode.
   */
  static void validate(CommandSpec spec, String... args) {
    boolean optionsEnded = false;
    for (int i = 0; i < args.length; i++) {
      if (args[i].indexOf('\uFFFD') >= 0) {
        throw new IllegalArgumentException(
            "argument "
                + (i + 1)
                + " cannot be decoded in this locale; put the key in a file and use --key-file");
      }
      optionsEnded |= args[i].equals("--");
      if (!optionsEnded && OPTION_SYNTAX.matcher(args[i]).matches()) {
        String name = args[i].split("=", 2)[0];
        if (spec.findOption(name) == null) {
          throw new IllegalArgumentException(
              unknownOption(spec, name)
                  + " in argument "
                  + (i + 1)
                  + "; put -- before a key that looks like an option");
        }
      }
    }
  }

  /** Describes an unknown option. Names it and the most similar option, unless it may be a key. */
  private static String unknownOption(CommandSpec spec, String name) {
    String nearest = "";
    for (String known : spec.optionsMap().keySet()) {
      if (nearest.isEmpty() || distance(name, known) < distance(name, nearest)) {
        nearest = known;
      }
    }
    int distance = distance(name, nearest);
    if (name.length() > MAX_NAMED_LENGTH && distance > MAX_TYPO) {
      return "unknown option";
    }
    boolean near = distance <= name.length() / 2;
    return "unknown option " + name + (near ? " (did you mean " + nearest + "?)" : "");
  }

  /** Returns the Levenshtein distance. */
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

  /** Describes a parse error in one line. */
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
              .map(option -> name(option) + " requires a value")
              .orElse("missing arguments: expected " + positionals(spec));
    }
    if (e instanceof OverwrittenOptionException) {
      return name(((OverwrittenOptionException) e).getOverwritten()) + " is given twice";
    }
    ArgSpec arg = e.getArgSpec();
    if (arg == null) {
      return "invalid arguments";
    }
    Throwable cause = e.getCause();
    return name(arg)
        + " "
        + (cause instanceof InvalidValueException ? cause.getMessage() : "is invalid");
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

  private static <T> void register(CommandLine line, Class<T> type, Function<String, T> parse) {
    line.registerConverter(type, converter(parse));
  }

  /** Returns a converter whose error message is shown to the user. */
  static <T> ITypeConverter<T> converter(Function<String, T> parse) {
    return text -> {
      try {
        return parse.apply(text);
      } catch (IllegalArgumentException e) {
        throw new InvalidValueException(e.getMessage());
      }
    };
  }

  private static int wholeNumber(String text) {
    try {
      return Integer.parseInt(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "must be a whole number", null); // no cause: its message repeats the text
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

  /** Formats the initial value of a field for the help text. */
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
   * An error of a converter registered here. Only its message is shown: picocli's own messages
   * repeat the argument.
   */
  private static final class InvalidValueException extends TypeConversionException {
    private static final long serialVersionUID = 1L;

    InvalidValueException(@Nullable String message) {
      super(message == null ? "is invalid" : message);
    }
  }
}
