package io.c2crelay.relay.session;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.RelayProtocol;
import io.c2crelay.common.protocol.Token;
import io.c2crelay.relay.address.AgentAddresses;
import io.netty.util.concurrent.EventExecutor;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The tokens sent to agents: as many as users wait, besides what the warm pools miss. They are
 * counted, not tied to users. On the dispatcher's loop.
 */
final class DialScheduler {
  /** A token not used by then is counted on no more, so another agent is dialled too. */
  private static final long TOKEN_STALE_SECONDS = 3;

  private static final long TOKEN_VALID_SECONDS = 30;

  /** A token sent to an agent and not yet used. */
  static final class OutstandingToken {
    final AttachedAgent agent;
    final Token ack;
    private final Dispatcher dispatcher;
    private boolean stale;

    OutstandingToken(Dispatcher dispatcher, AttachedAgent agent, Token ack) {
      this.dispatcher = dispatcher;
      this.agent = agent;
      this.ack = ack;
    }

    Dispatcher dispatcher() {
      return dispatcher;
    }
  }

  private final Dispatcher dispatcher;
  private final EventExecutor loop;
  private final Dispatchers shared;
  private final AgentAddresses addresses;
  private final SecureRandom random;
  private final Map<Token, OutstandingToken> issued;
  private final Collection<AttachedAgent> agents;
  private final UserQueue queue;
  private boolean replenishing;
  private boolean stopped;

  /**
   * @param agents the attached agents, as they are at any time
   * @param queue the users that wait, as they are at any time
   */
  DialScheduler(
      Dispatcher dispatcher,
      Dispatchers shared,
      Collection<AttachedAgent> agents,
      UserQueue queue) {
    this.dispatcher = dispatcher;
    loop = shared.loop();
    this.shared = shared;
    addresses = shared.addresses();
    random = shared.random();
    issued = shared.tokens();
    this.agents = agents;
    this.queue = queue;
  }

  /** Takes back a token that is outstanding. */
  OutstandingToken redeem(Token token) {
    OutstandingToken used = requireNonNull(issued.remove(token));
    tokenGone(used);
    used.agent.dialWorked();
    return used;
  }

  /**
   * An agent says that a dial failed.
   *
   * @return whether it was one of its own
   */
  boolean failed(AgentLink link, Token token) {
    OutstandingToken failed = issued.get(token);
    if (failed == null || failed.agent.link != link) {
      return false;
    }
    issued.remove(token);
    tokenGone(failed);
    failed.agent.dialFailed(now());
    delayRefill(failed.agent);
    replenish();
    return true;
  }

  /** Makes an agent's tokens void. */
  void forget(AttachedAgent agent) {
    issued
        .values()
        .removeIf(
            token -> {
              if (token.agent == agent) {
                tokenGone(token);
              }
              return token.agent == agent;
            });
  }

  /** Issues no more tokens. */
  void stop() {
    stopped = true;
  }

  /** Issues the missing tokens, once for all changes in this turn of the loop. */
  void replenish() {
    if (!replenishing) {
      replenishing = true;
      loop.execute(
          () -> {
            replenishing = false;
            dialMissing();
          });
    }
  }

  private void dialMissing() {
    if (stopped) {
      return;
    }
    Map<AttachedAgent, Integer> dials = new HashMap<>();
    dialForUsers(dials);
    dialForPools(dials);
    dials.forEach(this::dial);
  }

  /** A dial for each user that no token under way is counted on for. */
  private void dialForUsers(Map<AttachedAgent, Integer> dials) {
    int wanted = queue.size();
    for (AttachedAgent agent : agents) {
      wanted -= liveTokens(agent);
    }
    for (QueuedUser user : queue.first()) {
      if (wanted > 0) {
        dialFor(user.excludedAgents(), dials);
        wanted--; // also if no agent is left for it now: no other dial would do
      }
    }
    while (wanted > 0 && dialFor(Collections.emptySet(), dials)) {
      wanted--;
    }
  }

  private boolean dialFor(Set<AttachedAgent> excluded, Map<AttachedAgent, Integer> dials) {
    AttachedAgent agent = chooseDial(excluded, dials);
    if (agent != null) {
      dials.merge(agent, 1, Integer::sum);
    }
    return agent != null;
  }

  /** What is missing in the pools, besides the connections that users will take. */
  private void dialForPools(Map<AttachedAgent, Integer> dials) {
    int forUsers = queue.size();
    for (AttachedAgent agent : agents) {
      int taken = Math.min(liveTokens(agent), forUsers);
      forUsers -= taken;
      int deficit = agent.deficit(shared.settings().pool(), now()) - (liveTokens(agent) - taken);
      int room = RelayProtocol.MAX_TOKENS - agent.tokens - dials.getOrDefault(agent, 0);
      if (deficit > 0 && room > 0) {
        dials.merge(agent, Math.min(deficit, room), Integer::sum);
      }
    }
  }

  /**
   * Tokens of an agent that a connection may be expected of; stale ones only where there is no
   * other agent.
   */
  private int liveTokens(AttachedAgent agent) {
    if (!agent.takesSessions(now())) {
      return 0;
    }
    return agents.size() == 1 ? agent.tokens : agent.tokens - agent.staleTokens;
  }

  private @Nullable AttachedAgent chooseDial(
      Set<AttachedAgent> excluded, Map<AttachedAgent, Integer> dials) {
    AttachedAgent best = null;
    for (AttachedAgent agent : agents) {
      if (!excluded.contains(agent)
          && agent.takesDials(now())
          && agent.tokens + dials.getOrDefault(agent, 0) < RelayProtocol.MAX_TOKENS
          && (best == null || load(agent, dials) < load(best, dials))) {
        best = agent;
      }
    }
    return best;
  }

  /**
   * Sessions it has and is about to have; one that lets tokens grow stale, or failed a session just
   * now, comes last.
   */
  private int load(AttachedAgent agent, Map<AttachedAgent, Integer> dials) {
    int faults = agent.staleTokens + (agent.isEjected(now()) ? 1 : 0);
    return agent.load.sessions
        + agent.tokens
        + dials.getOrDefault(agent, 0)
        + faults * RelayProtocol.MAX_TOKENS;
  }

  private void dial(AttachedAgent agent, int count) {
    List<Token> tokens = new ArrayList<>(count);
    List<Frame.Dial.DialRequest> dialRequests = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Token token = Token.random(random);
      Token ack = Token.random(random);
      issued.put(token, new OutstandingToken(dispatcher, agent, ack));
      tokens.add(token);
      dialRequests.add(Frame.Dial.DialRequest.of(token, ack));
    }
    agent.tokens += count;
    addresses.tokens(agent.link.network(), count);
    for (int from = 0; from < count; from += RelayProtocol.MAX_DIALS_PER_FRAME) {
      int to = Math.min(count, from + RelayProtocol.MAX_DIALS_PER_FRAME);
      agent.link.dial(dialRequests.subList(from, to));
    }
    loop.schedule(() -> markStale(tokens), TOKEN_STALE_SECONDS, TimeUnit.SECONDS);
    loop.schedule(() -> expire(tokens), TOKEN_VALID_SECONDS, TimeUnit.SECONDS);
  }

  private void markStale(Collection<Token> tokens) {
    for (Token token : tokens) {
      OutstandingToken old = issued.get(token);
      if (old != null && !old.stale) {
        old.stale = true;
        old.agent.staleTokens++;
        replenish();
      }
    }
  }

  private void expire(Collection<Token> tokens) {
    for (Token token : tokens) {
      OutstandingToken expired = issued.remove(token);
      if (expired != null) {
        tokenGone(expired);
        delayRefill(expired.agent);
      }
    }
  }

  private void tokenGone(OutstandingToken token) {
    token.agent.tokens--;
    if (token.stale) {
      token.agent.staleTokens--;
    }
    addresses.tokens(token.agent.link.network(), -1);
  }

  void delayRefill(AttachedAgent agent) {
    long delayNanos = agent.delayRefill(now());
    if (delayNanos > 0) {
      loop.schedule(this::replenish, delayNanos, TimeUnit.NANOSECONDS);
    }
  }

  private long now() {
    return loop.ticker().nanoTime();
  }
}
