%% A session of a call as a gen_server, in two versions: the second (-DV2) has one field more.
-module(otp_calls).
-behaviour(gen_server).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, code_change/3]).

-ifdef(V2).
-vsn("2").
-record(session, {id, call, ani, state = new, rev = 1, journey = [], ud = #{}, since = 0.0, priority = 0}).
-else.
-vsn("1").
-record(session, {id, call, ani, state = new, rev = 1, journey = [], ud = #{}, since = 0.0}).
-endif.

start_link(Number) -> gen_server:start_link(?MODULE, Number, []).

init(Number) ->
    Id = integer_to_binary(Number),
    {ok, #session{id = Id, call = <<"call-", Id/binary>>, ani = <<"+3314268", Id/binary>>,
                  journey = [{1.0, <<"menu">>}], ud = #{<<"queue">> => <<"q1">>}}}.

handle_call(version, _, State) -> {reply, tuple_size(State), State};
handle_call(touch, _, #session{rev = Rev} = State) -> {reply, Rev, State#session{rev = Rev + 1}}.

handle_cast(_, State) -> {noreply, State}.

-ifdef(V2).
code_change({down, _}, State, _) -> {ok, erlang:delete_element(tuple_size(State), State)};
code_change(_, State, _) -> {ok, erlang:append_element(State, 0)}.
-else.
code_change(_, State, _) -> {ok, State}.
-endif.
